package io.rainer.zookeeper;

import io.rainer.CorruptException;
import io.rainer.Position;
import io.rainer.UnavailableException;
import io.rainer.mirror.Incoming;
import io.rainer.mirror.PackedHead;
import io.rainer.mirror.Sink;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Follows the log of a published tree, with one watch.
 *
 * <p>The fast path ({@link FastPath}) runs where ZooKeeper calls back: the next batch came to be, so ask for it and watch
 * for the one after. Whatever is not as plain as that is a doubt, which ends the fast path until the slow path, in the
 * worker's thread, has looked at the head and begun a new one. {@code doubt} may be called from any thread, {@code follow}
 * and {@code look} only from the worker's.
 */
final class LogFollower {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    private static final int BATCHES_AT_ONCE = 32;
    private static final long OFFER_EVERY_NS = 2_500_000_000L;

    final Connection connection;
    final Tree tree;
    final Sink sink;
    final Runnable applied;
    private final ManyReader many;
    private final Runnable wake;
    private final TreeReader reader;
    private final Freshness freshness = new Freshness();
    private final FastPath fastPath = new FastPath(this);
    private volatile long generation;
    private volatile boolean isInDoubt = true;

    // Under this object's lock, or by the worker while the fast path is void.
    private final Stand stand = new Stand();
    private boolean hasOffered;
    private long offerAt;

    LogFollower(Connection connection, ManyReader many, Tree tree, Sink sink, Runnable wake, Runnable applied) {
        this.connection = connection;
        this.many = many;
        this.tree = tree;
        this.sink = sink;
        this.wake = wake;
        this.applied = applied;
        reader = new TreeReader(connection, many, tree);
    }

    boolean isInDoubt() {
        return isInDoubt;
    }

    void beInDoubt() {
        isInDoubt = true;
    }

    boolean isOf(long fastPathsGeneration) {
        return generation == fastPathsGeneration;
    }

    /** Lets the worker look at the head; no fast path goes any further. */
    void doubt() {
        synchronized (this) {
            generation++;
            isInDoubt = true;
        }
        wake.run();
    }

    /** The same, if the fast path is of this generation. */
    void doubt(long fastPathsGeneration) {
        synchronized (this) {
            if (!isOf(fastPathsGeneration)) {
                return;
            }
            generation++;
            isInDoubt = true;
        }
        wake.run();
    }

    // The slow path

    /** Comes up to the head and begins the fast path; false where there is no head. */
    boolean follow() throws InterruptedException {
        long begun;
        synchronized (this) {
            begun = ++generation;
            isInDoubt = false;
        }
        TreeReader.Found found = reader.head(stand.awaitsHead ? this::doubt : null);
        if (found != null && stand.isBehind(found.head(), sink.position())) {
            // Perhaps this server lags; perhaps ZooKeeper came back from a backup.
            connection.sync(tree.head());
            found = reader.head(null);
        }
        if (found == null) {
            return false;
        }
        if (Stand.isOlder(found.head(), sink.position())) {
            offerOlder(found.head());
        } else if (!stand.goesOn(found, sink.position()) || !catchUp(found.head())) {
            load();
        }
        hasOffered = false;
        if (!stand.awaitsHead) { // else the head is watched
            fastPath.watch(begun, stand.n + 1);
        }
        return true;
    }

    /** What is held may be from a snapshot of a journal's other future: the sink decides, and is asked rarely. */
    private void offerOlder(TreeHead head) throws InterruptedException {
        stand.n = Stand.NOWHERE; // whatever number it has when it is back here: it is not the log that we know
        long now = System.nanoTime();
        if (!hasOffered || now - offerAt >= 0) {
            hasOffered = true;
            offerAt = now + OFFER_EVERY_NS;
            load();
            return;
        }
        throw older(head);
    }

    private UnavailableException older(TreeHead head) {
        Position held = sink.position();
        return new UnavailableException(
                tree.root() + " is at revision " + head.position().revision() + ", and "
                        + (held == null ? 0 : held.revision()) + " is held already",
                "does its publisher run?", Map.of());
    }

    /** Applies what the log has beyond what is held; false where it does not lead there. */
    private boolean catchUp(TreeHead head) throws InterruptedException {
        try {
            if (!isSameLog()) {
                return false;
            }
            while (stand.n < head.n()) {
                long end = Math.min(head.n(), stand.n + BATCHES_AT_ONCE);
                List<Batch> batches = new ArrayList<>(reader.batches(stand.n + 1, end));
                Batch newest = batches.get(batches.size() - 1);
                long rest = newest.parts() - newest.part();
                if (end + rest > head.n()) {
                    return false;
                }
                batches.addAll(reader.batches(end + 1, end + rest));
                TreeReader.checkWhole(batches, head.position().lineage());
                if (!apply(batches)) {
                    return false;
                }
            }
            return true;
        } catch (TreeReader.MovedException e) {
            return false;
        } catch (CorruptException e) {
            LOG.log(Level.WARNING, "{0}: {1}; reading everything again", tree.root(), e.getMessage());
            return false;
        }
    }

    private boolean isSameLog() throws InterruptedException, TreeReader.MovedException {
        // After a backup of ZooKeeper came back, another batch may stand where the one stood that was applied last.
        return stand.n <= 0 || stand.last == null || reader.batches(stand.n, stand.n).get(0).position().equals(stand.last);
    }

    private boolean apply(List<Batch> batches) throws InterruptedException, TreeReader.MovedException {
        List<PackedHead> records = new ArrayList<>();
        batches.forEach(batch -> records.addAll(batch.records()));
        Batch newest = batches.get(batches.size() - 1);
        boolean isRepair = batches.stream().anyMatch(Batch::isRepair);
        if (!sink.apply(reader.join(records), newest.position(), isRepair)) {
            return false;
        }
        stand(newest.n(), newest.position());
        applied.run();
        return true;
    }

    private synchronized void stand(long at, Position position) {
        stand.n = at;
        stand.last = position;
        stand.awaitsHead = false;
    }

    private void load() throws InterruptedException {
        TreeReader.Loaded loaded = reader.load();
        if (loaded != null && !sink.replace(loaded.heads(), loaded.found().head().position())) {
            connection.sync(tree.head());
            loaded = reader.load();
            if (loaded != null && !sink.replace(loaded.heads(), loaded.found().head().position())) {
                throw older(loaded.found().head());
            }
        }
        if (loaded == null) {
            throw new UnavailableException("the head of " + tree.root() + " went while it was read");
        }
        TreeHead head = loaded.found().head();
        synchronized (this) {
            stand.life = loaded.found().life();
            stand.lineage = head.position().lineage();
        }
        stand(head.n(), null);
        applied.run();
    }

    // By the fast path

    /** Applies a batch if nothing about it needs a second look, and the fast path is not void. */
    synchronized boolean take(long generationOfPath, long number, byte[] data) {
        if (!isOf(generationOfPath)) {
            return true;
        }
        Batch batch;
        try {
            batch = Batch.fromBytes(data);
        } catch (CorruptException e) {
            return false;
        }
        if (batch.parts() > 1) {
            // Until the head covers the last part, they may be deleted and written anew by another publisher.
            stand.awaitsHead = true;
            return false;
        }
        Position held = sink.position();
        boolean isNext = batch.n() == number && stand.n != Stand.NOWHERE && number == stand.n + 1 && held != null;
        boolean isPlain = batch.position().lineage().equals(stand.lineage)
                && batch.records().stream().noneMatch(one -> one.kind() == PackedHead.Kind.PARTS);
        if (!isNext || !isPlain || batch.position().revision() < held.revision()) {
            return false;
        }
        List<Incoming> judged = batch.records().stream()
                .map(one -> Incoming.of(one, tree.namespace()))
                .toList();
        if (!sink.apply(judged, batch.position(), batch.isRepair())) {
            return false;
        }
        stand.n = number;
        stand.last = batch.position();
        sink.confirm(batch.position().revision(), System.currentTimeMillis());
        applied.run();
        return true;
    }

    // Looking whether all is well

    /** Confirms what is held, or doubts. When it was known to be current, UNKNOWN where nobody vouches for it. */
    long look(Duration patience) throws InterruptedException {
        long before = stand.n;
        long askedMs = System.currentTimeMillis();
        // The beat before the head: so it never vouches for more than the head shows.
        List<Node> nodes = many.read(List.of(tree.beat(), tree.head()), patience);
        Node beat = nodes.get(0);
        if (nodes.get(1) == null) {
            doubt();
            return Freshness.UNKNOWN;
        }
        TreeReader.Found found = TreeReader.Found.of(nodes.get(1));
        TreeHead head = found.head();
        if (stand.isOther(found) || before == Stand.NOWHERE || head.n() < before) {
            doubt();
            return Freshness.UNKNOWN;
        }
        long atMs = freshness.judge(Freshness.Beat.of(beat == null ? null : beat.data()),
                beat == null ? 0 : beat.stat().getMzxid(), found.mzxid(), askedMs);
        if (!isLevelWith(head, atMs)) {
            doubt();
        }
        return atMs;
    }

    private synchronized boolean isLevelWith(TreeHead head, long atMs) {
        if (stand.n == Stand.NOWHERE || head.n() > stand.n) {
            return false;
        }
        Position held = sink.position();
        if (head.n() == stand.n && held != null && head.position().revision() > held.revision()) {
            // Commits of other namespaces: nothing to apply, and yet a newer revision to be current with.
            sink.apply(List.of(), head.position(), false);
        }
        if (atMs != Freshness.UNKNOWN) {
            sink.confirm(head.position().revision(), atMs);
        }
        return true;
    }
}
