package io.rainer.zookeeper;

import io.rainer.NotFoundException;
import io.rainer.RainerException;
import io.rainer.UnavailableException;
import io.rainer.mirror.Sink;
import io.rainer.mirror.Source;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Map;

/** A mirror's source in ZooKeeper: one connection and one thread, whatever tree there is and however the day goes. */
final class ZooKeeperSource implements Source {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    private static final long LOOK_EVERY_MS = 1_500;
    private static final long LOOK_PATIENCE_MS = 2_500;
    private static final long LOOK_PATIENCE_MS_MAX = 10_000;
    private static final long UNVOUCHED_MS = 4_000;
    private static final long PAUSE_MS_MIN = 50;
    private static final long PAUSE_MS_MAX = 1_000;

    private final Connection connection;
    private final Tree tree;
    private final boolean hasReports;
    private final String where;
    private final Wake wake = new Wake();
    private final Absence absence;
    private volatile boolean isClosed;
    private Thread thread;
    private Sink sink;
    private TreeReporter reporter;
    private LogFollower log;
    private AncestorFollower ancestor;
    private boolean isAncestors;
    private boolean wasEmpty;
    private volatile boolean isHeadWatched;
    private long lookAtMs = now();
    private long vouchedAtMs = now();
    private String error = "";
    private long pauseMs = PAUSE_MS_MIN;
    private long patienceMs = LOOK_PATIENCE_MS;

    ZooKeeperSource(Connection connection, Tree tree, boolean hasReports, String where) {
        this.connection = connection;
        this.tree = tree;
        this.hasReports = hasReports;
        this.where = where;
        absence = new Absence(connection, where);
    }

    @Override
    public String describe() {
        return where;
    }

    @Override
    public void start(Sink given) {
        sink = given;
        ManyReader many = new ManyReader(connection);
        reporter = new TreeReporter(connection, tree, given);
        log = new LogFollower(connection, many, tree, given, wake::set, this::applied);
        ancestor = new AncestorFollower(connection, many, tree, given, wake::set);
        connection.start(this::connectionChanged);
        thread = new Thread(this::run, "rainer-mirror-" + tree.namespace() + "-zookeeper");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() {
        isClosed = true;
        boolean isInterrupted = Thread.interrupted();
        if (thread != null) {
            thread.interrupt();
            while (thread.isAlive()) {
                try {
                    thread.join();
                } catch (InterruptedException e) {
                    isInterrupted = true;
                }
            }
            log.doubt(); // the fast path goes no further
        }
        connection.close();
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // From Curator's and ZooKeeper's threads

    private void connectionChanged(boolean isConnected) {
        isHeadWatched = false;
        if (isConnected) {
            reporter.reconnected();
        }
        log.doubt();
    }

    private void applied() {
        if (hasReports && reporter.isDue()) {
            wake.set();
        }
    }

    // The worker

    private void run() {
        try {
            while (!isClosed) {
                wake.await(turn());
            }
        } catch (InterruptedException e) {
            LOG.log(Level.DEBUG, "{0}: the mirror ends", where);
        }
    }

    private long turn() throws InterruptedException {
        try {
            return step();
        } catch (RainerException e) {
            return fail(e);
        } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) { // one that gave up would look idle
            LOG.log(Level.ERROR, where + ": following failed", e);
            return fail(new UnavailableException("following " + where + " failed: " + e));
        }
    }

    private long fail(RainerException failure) {
        log.beInDoubt();
        if (connection.isConnected() && !isClosed) {
            sayAway(failure);
        }
        pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX);
        return pauseMs;
    }

    private void sayAway(RainerException failure) {
        LOG.log(Level.DEBUG, "{0}: {1}", where, failure.getMessage());
        error = failure.getMessage();
        sink.away(failure);
    }

    /** Does what there is to do; how long to wait for more, in milliseconds. */
    private long step() throws InterruptedException {
        if (!connection.isConnected()) {
            RainerException gone = absence.bear();
            if (gone != null) {
                sayAway(gone);
            }
            return absence.pauseMs();
        }
        absence.end();
        if (log.isInDoubt()) {
            begin();
            lookAtMs = now();
        }
        if (isAncestors && ancestor.hasWork()) {
            ancestor.turn();
        }
        if (now() >= lookAtMs) {
            lookAtMs = now() + LOOK_EVERY_MS;
            look();
        }
        pauseMs = PAUSE_MS_MIN;
        long reportMs = hasReports ? reporter.turn(error) : Long.MAX_VALUE;
        return log.isInDoubt() ? 0 : Math.max(0, Math.min(lookAtMs - now(), reportMs));
    }

    /** Finds out what there is to follow, and follows it. */
    private void begin() throws InterruptedException {
        isAncestors = false;
        if (log.follow()) {
            vouchedAtMs = now();
            return;
        }
        if (sink.position() != null) {
            throw new UnavailableException(tree.root() + " has no head any more; what was read of it is kept",
                    "was ZooKeeper's data lost? Its publisher makes the tree anew", Map.of());
        }
        watchHead();
        int children = connection.exists(tree.data(), null);
        if (connection.exists(tree.log(), null) >= 0) {
            // An ancestor's tree has none: its publisher is filling it, and until the head is there, all may be halves.
            throw new UnavailableException(tree.root() + " is being published, and not yet complete",
                    "does its publisher run?", Map.of());
        }
        // Empty, it may be the first moment of a tree whose head is to come.
        if (children < 0 || children == 0 && !wasEmpty) {
            wasEmpty = children == 0;
            throw new NotFoundException("nothing is published at " + tree.root() + " yet", "is the path right?", Map.of());
        }
        connection.watchCreated(tree.log(), log::doubt, (exists, failure) -> {
            if (exists || failure != null) {
                log.doubt();
            }
        });
        isAncestors = ancestor.follow();
    }

    private void watchHead() throws InterruptedException {
        if (!isHeadWatched) {
            isHeadWatched = true;
            connection.watch(tree.head(), () -> {
                isHeadWatched = false;
                log.doubt();
            });
        }
    }

    private void look() throws InterruptedException {
        long asked = now();
        try {
            Duration patience = Duration.ofMillis(patienceMs);
            if (isAncestors) {
                ancestor.look(patience);
                error = "";
            } else {
                judge(log.look(patience));
            }
            patienceMs = LOOK_PATIENCE_MS;
        } catch (UnavailableException e) {
            if (now() - asked >= patienceMs) {
                // Half-open, perhaps: a new connection is made at once. Or slow: bear more then.
                patienceMs = Math.min(patienceMs * 2, LOOK_PATIENCE_MS_MAX);
                connection.renew();
            }
            throw e;
        }
    }

    private void judge(long atMs) {
        if (atMs != Freshness.UNKNOWN) {
            vouchedAtMs = now();
            error = "";
        } else if (now() - vouchedAtMs > UNVOUCHED_MS && !log.isInDoubt()) {
            sayAway(new UnavailableException("the publisher of " + tree.root() + " gives no sign of life",
                    "does `rainer serve` or `rainer publish` run?", Map.of()));
        }
    }

    static long now() {
        return System.nanoTime() / 1_000_000;
    }
}
