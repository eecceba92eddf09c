package io.rainer.mirror;

import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.function.BooleanSupplier;

/** Waits on what a feed brings; each method may be called by many threads at once. */
final class Waiting {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    /** How long a start waits for a source that says nothing, if a snapshot on disk will do instead. */
    private static final long DISK_PATIENCE_NS = 2_000_000_000L;

    private final Feed feed;
    private final Standing standing;

    Waiting(Feed feed, Standing standing) {
        this.feed = feed;
        this.standing = standing;
    }

    /** Waits for something to be there, as seen under the feed's lock; NotYetException. */
    void until(BooleanSupplier isThere, Duration timeout, String what) throws InterruptedException {
        feed.lock.lockInterruptibly();
        try {
            long leftNs = nanos(timeout);
            while (!isThere.getAsBoolean()) {
                if (standing.isClosed) {
                    throw new NotYetException("the mirror of " + feed.namespace() + " was closed before it had " + what,
                            null);
                }
                if (leftNs <= 0) {
                    throw new NotYetException("the mirror of " + feed.namespace() + " had not " + what + " within "
                            + timeout.toMillis() + " ms" + why(), null);
                }
                leftNs = feed.changed.awaitNanos(leftNs);
            }
        } finally {
            feed.lock.unlock();
        }
    }

    /** Waits until what is held is complete, or as good as a snapshot on disk; NotYetException. */
    void forLoad(String where, Duration timeout) throws InterruptedException {
        feed.lock.lockInterruptibly();
        try {
            long begun = System.nanoTime();
            while (!standing.isComplete) {
                long gone = System.nanoTime() - begun;
                long left = nanos(timeout) - gone;
                if (standing.isClosed) {
                    throw new NotYetException("the mirror was closed while it started", null);
                }
                boolean isLate = gone >= DISK_PATIENCE_NS || left <= 0;
                if (standing.isLoaded && (standing.error != null || isLate)) {
                    sayStale();
                    return;
                }
                if (left <= 0) {
                    throw nothing(where, timeout);
                }
                feed.changed.awaitNanos(standing.isLoaded ? Math.min(DISK_PATIENCE_NS - gone, left) : left);
            }
        } finally {
            feed.lock.unlock();
        }
    }

    private void sayStale() {
        String why = standing.error != null ? standing.error.getMessage() : "its source does not answer yet";
        boolean isKnown = standing.currentMs() >= 0;
        String age = isKnown ? standing.age().toSeconds() + " s old" : "of no known age";
        String held = feed.isFromDisk() ? "its snapshot on disk, " + age : "a state that is " + age;
        LOG.log(Level.WARNING, "namespace {0} starts from {1}: {2}", feed.namespace(), held, why);
    }

    private NotYetException nothing(String where, Duration timeout) {
        String hint = standing.error != null ? standing.error.hint().orElse(null) : null;
        return new NotYetException("nothing to mirror came from " + where + " within " + timeout.toMillis() + " ms" + why(),
                hint != null ? hint : "is it running? With a snapshot on disk a mirror starts without it");
    }

    private String why() {
        return standing.error == null ? "" : ": " + standing.error.getMessage();
    }

    private static long nanos(Duration timeout) {
        try {
            return timeout.toNanos();
        } catch (ArithmeticException e) {
            return Long.MAX_VALUE; // three hundred years, and longer
        }
    }
}
