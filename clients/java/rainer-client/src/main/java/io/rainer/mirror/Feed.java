package io.rainer.mirror;

import io.rainer.Commit;
import io.rainer.Position;
import io.rainer.RainerException;
import io.rainer.UnavailableException;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/** What a mirror's source feeds: judges what comes in, and shows it as a whole or not at all. */
final class Feed implements Sink {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    private static final long FUTURE_NS = 2_000_000_000L; // so long a source must insist that a snapshot is of the future

    final ReentrantLock lock = new ReentrantLock();
    final Condition changed = lock.newCondition();
    private final String namespace;
    private final Standing standing;
    private final BooleanSupplier wantsSteps;
    private final Consumer<Step> tell;
    private volatile State state = State.EMPTY;
    private Map<String, Integer> gone = new HashMap<>();
    private volatile boolean isFromDisk;
    private long doubtedAtNs;
    private boolean isDoubted;

    Feed(String namespace, Standing standing, BooleanSupplier wantsSteps, Consumer<Step> tell) {
        this.namespace = namespace;
        this.standing = standing;
        this.wantsSteps = wantsSteps;
        this.tell = tell;
    }

    State state() {
        return state;
    }

    @Override
    public String namespace() {
        return namespace;
    }

    @Override
    public Position position() {
        return state.position();
    }

    @Override
    public Map<String, String> rejected() {
        return state.rejected();
    }

    /** Whether what is held is what was found on disk, and no source has replaced it yet. */
    boolean isFromDisk() {
        return isFromDisk;
    }

    /** The newest version known of a key, also of one that is removed; 0 where there was none. Under the lock. */
    int version(String key) {
        Commit held = state.heads().get(key);
        return held != null ? held.version() : gone.getOrDefault(key, 0);
    }

    // Whole states

    /** Begins with what a snapshot on disk holds, current as of then. */
    void restore(Iterable<Incoming> found, Position position, long currentMs) {
        replace(found, position);
        lock.lock();
        try {
            isFromDisk = true;
            standing.beCurrent(currentMs);
        } finally {
            lock.unlock();
        }
    }

    @Override
    public boolean replace(Iterable<Incoming> found, Position position) {
        Arrived arrived = Arrived.of(found);
        lock.lock();
        try {
            if (standing.isClosed || isOlder(position)) {
                return false;
            }
            sayLineage(position);
            if (Objects.equals(lineage(position), lineage(state.position()))) {
                gone.forEach((key, version) -> {
                    if (!arrived.heads.containsKey(key)) {
                        arrived.gone.putIfAbsent(key, version);
                    }
                });
            }
            arrived.keepGood(state.heads(), this::version, position != null);
            arrived.bad.forEach(this::sayRejected);
            List<Change> changes = exchange(arrived, position);
            standing.error = null;
            stand();
            tell.accept(new Step(state, changes));
            return true;
        } finally {
            lock.unlock();
        }
    }

    private boolean isOlder(Position position) {
        Position here = state.position();
        boolean isBehind = position != null && here != null && position.lineage().equals(here.lineage())
                && position.revision() < here.revision();
        if (!isBehind) {
            return false;
        }
        long now = System.nanoTime();
        if (!isDoubted) {
            isDoubted = true;
            doubtedAtNs = now;
        }
        if (!isFromDisk || now - doubtedAtNs < FUTURE_NS) {
            return true;
        }
        LOG.log(Level.WARNING, "the snapshot of {0} on disk is from the future, revision {1}, and is dropped: its source "
                + "holds revision {2}", namespace, Long.toString(here.revision()), Long.toString(position.revision()));
        return false;
    }

    private void sayLineage(Position position) {
        Position here = state.position();
        if (here == null || position == null) {
            return;
        }
        if (!here.lineage().equals(position.lineage())) {
            LOG.log(Level.WARNING, "namespace {0} is of another lineage now, {1} after {2}: loaded anew",
                    namespace, position.lineage(), here.lineage());
        } else if (here.revision() == position.revision() && !here.chain().equals(position.chain())) {
            LOG.log(Level.WARNING, "revision {0} of {1} holds another commit now: loaded anew",
                    Long.toString(here.revision()), namespace);
        }
    }

    /** Holds these heads, and as they were those that are the same; what differs comes back, if anybody listens. */
    private List<Change> exchange(Arrived arrived, Position position) {
        Heads before = state.heads();
        boolean isWanted = wantsSteps.getAsBoolean();
        List<Change> changes = new ArrayList<>();
        Heads.Editor now = Heads.editor(arrived.heads.size());
        for (Commit commit : arrived.heads.values()) {
            Commit old = before.get(commit.key());
            if (old != null && (old == commit || isSame(old, commit))) {
                now.put(old);
                continue;
            }
            now.put(commit);
            if (isWanted) {
                changes.add(new Change(commit.key(), old, commit));
            }
        }
        for (Commit old : before.all()) {
            if (!arrived.heads.containsKey(old.key())) {
                arrived.gone.putIfAbsent(old.key(), old.version());
                if (isWanted) {
                    changes.add(new Change(old.key(), old, null));
                }
            }
        }
        gone = arrived.gone;
        state = new State(now.done(), position, Map.copyOf(arrived.bad), state.generation() + 1);
        return changes;
    }

    /** Whether they say the same; a tree's nodes do not tell revisions. */
    private static boolean isSame(Commit a, Commit b) {
        return a.version() == b.version() && a.mtime().equals(b.mtime()) && a.author().equals(b.author())
                && a.comment().equals(b.comment()) && Objects.equals(a.payloadBuffer(), b.payloadBuffer());
    }

    // Changes

    @Override
    public boolean apply(List<Incoming> records, Position position, boolean repair) {
        lock.lock();
        try {
            Position here = state.position();
            boolean isOther = !Objects.equals(lineage(here), lineage(position));
            if (standing.isClosed || !standing.isLoaded || isOther) {
                return false;
            }
            Position next = position;
            if (here != null && position != null && position.revision() <= here.revision()) {
                if (!repair) {
                    return true;
                }
                next = here;
            }
            List<Change> changes = stage(records, next, repair);
            stand();
            tell.accept(new Step(state, changes));
            return true;
        } finally {
            lock.unlock();
        }
    }

    private List<Change> stage(List<Incoming> records, Position position, boolean repair) {
        Staged staged = new Staged(state.heads(), gone, new HashMap<>(state.rejected()));
        for (Incoming one : records) {
            if (one.isBad() || one.isForgotten() && !repair) {
                String why = one.isBad() ? one.why() : "the bytes are no commit";
                sayRejected(one.key(), why);
                staged.rejected.put(one.key(), why);
            } else if (repair || one.version() > staged.version(one.key())) {
                staged.add(one);
            }
        }
        state = new State(staged.heads.done(), position, Map.copyOf(staged.rejected), state.generation() + 1);
        return staged.changes;
    }

    private void stand() {
        isFromDisk = false;
        isDoubted = false;
        standing.isLoaded = true;
        changed.signalAll();
    }

    // How it stands

    @Override
    public void reject(String key, String why) {
        lock.lock();
        try {
            sayRejected(key, why);
            Map<String, String> rejected = new HashMap<>(state.rejected());
            rejected.put(key, why);
            state = state.rejecting(rejected);
        } finally {
            lock.unlock();
        }
    }

    private void sayRejected(String key, String why) {
        if (!why.equals(state.rejected().get(key))) {
            String kept = state.heads().get(key) != null ? "its last good value is kept" : "there was no good one before";
            LOG.log(Level.WARNING, "key {0} of {1} cannot be taken, {2}: {3}", key, namespace, kept, why);
        }
    }

    @Override
    public void confirm(long revision, long atMs) {
        lock.lock();
        try {
            Position here = state.position();
            if (!standing.isLoaded || standing.isClosed) {
                return;
            }
            standing.error = null;
            if (revision < 0 || here == null || here.revision() >= revision) {
                standing.beCurrent(atMs);
                if (!standing.isComplete) {
                    standing.isComplete = true;
                    tell.accept(new Step(state, List.of()));
                }
                changed.signalAll();
            }
        } finally {
            lock.unlock();
        }
    }

    @Override
    public void away(RainerException error) {
        lock.lock();
        try {
            standing.error = error != null ? error : new UnavailableException("the source cannot be reached");
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private static String lineage(Position position) {
        return position == null ? null : position.lineage();
    }
}
