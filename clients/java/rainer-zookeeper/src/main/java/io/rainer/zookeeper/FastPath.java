package io.rainer.zookeeper;

import io.rainer.RainerException;
import java.lang.System.Logger.Level;

/** The way of a plain batch from ZooKeeper's callback into the mirror, without another thread. */
final class FastPath {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    private static final int LATE_MAX = 4;

    private final LogFollower follower;

    FastPath(LogFollower follower) {
        this.follower = follower;
    }

    /** Watches for batch {@code n}, for as long as the follower is of this generation. */
    void watch(long generation, long n) {
        watch(generation, n, 0);
    }

    private void watch(long generation, long n, int late) {
        String path = follower.tree.batch(n);
        follower.connection.watchCreated(path, () -> guarded(generation, n, () -> created(generation, n, 0)),
                (exists, error) -> guarded(generation, n, () -> {
                    // Where batches come faster than one a round trip, the slow path reads many at once.
                    if (error != null || exists && late >= LATE_MAX) {
                        follower.doubt(generation);
                    } else if (exists) {
                        created(generation, n, late + 1);
                    }
                }));
    }

    private void created(long generation, long n, int late) {
        if (follower.isOf(generation)) {
            follower.connection.getLater(follower.tree.batch(n),
                    (data, error) -> guarded(generation, n, () -> arrived(generation, n, data, error)));
            watch(generation, n + 1, late);
        }
    }

    private void arrived(long generation, long n, byte[] data, RainerException error) {
        if (error != null || data == null || !follower.take(generation, n, data)) {
            follower.doubt(generation);
        }
    }

    /** ZooKeeper would swallow what is thrown, and the mirror stand still. */
    private void guarded(long generation, long n, Runnable step) {
        try {
            step.run();
        } catch (RainerException e) {
            LOG.log(Level.DEBUG, "{0}: batch {1}: {2}", follower.tree.root(), Long.toString(n), e.getMessage());
            follower.doubt(generation);
        } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) {
            LOG.log(Level.ERROR, follower.tree.root() + ": batch " + n + " failed", e);
            follower.doubt(generation);
        }
    }
}
