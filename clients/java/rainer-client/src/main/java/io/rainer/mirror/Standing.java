package io.rainer.mirror;

import io.rainer.RainerException;
import java.time.Duration;
import java.time.temporal.ChronoUnit;

/** How a mirror stands, and when its source was last known to be current. Written under its lock, read by anybody. */
final class Standing {
    /** Three beats of a server: whose source was not known to be current for so long is stale. */
    static final Duration STALE_AFTER = Duration.ofSeconds(15);

    static final Duration NEVER = ChronoUnit.FOREVER.getDuration();

    volatile boolean isStarted;
    volatile boolean isLoaded;
    volatile boolean isComplete;
    volatile boolean isClosed;
    volatile RainerException error;
    private volatile long currentAtNs;
    private volatile boolean wasCurrent;

    Duration age() {
        return wasCurrent ? Duration.ofNanos(Math.max(0, System.nanoTime() - currentAtNs)) : NEVER;
    }

    /** The moment that age counts from, in milliseconds since 1970; -1 where it never was. */
    long currentMs() {
        return wasCurrent ? System.currentTimeMillis() - age().toMillis() : -1;
    }

    MirrorState state() {
        if (isClosed) {
            return MirrorState.CLOSED;
        }
        if (!isLoaded) {
            return isStarted ? MirrorState.STARTING : MirrorState.NEW;
        }
        boolean isCurrent = isComplete && error == null && age().compareTo(STALE_AFTER) <= 0;
        return isCurrent ? MirrorState.CURRENT : MirrorState.STALE;
    }

    /** What is held was all there is at that moment; an earlier moment than known changes nothing. */
    void beCurrent(long atMs) {
        // What is told may be any number: before 1970 nothing was current, and its nanoseconds would not fit.
        long agoMs = Math.max(0, System.currentTimeMillis() - Math.max(0, atMs));
        long atNs = System.nanoTime() - agoMs * 1_000_000;
        if (!wasCurrent || atNs - currentAtNs > 0) {
            currentAtNs = atNs;
            wasCurrent = true;
        }
    }
}
