package io.rainer.zookeeper;

import io.rainer.CorruptException;

/**
 * Is what a tree says still true? Judged by its publisher's signs of life, without trust in two clocks being equal.
 * Times are milliseconds of our wall clock, but for what stands in a beat.
 */
final class Freshness {
    /** A publisher beats every two seconds; one that was not heard of for so long vouches for nothing any more. */
    static final long SILENT_MS = 10_000;

    /** Nobody says that the tree is current. */
    static final long UNKNOWN = -1;

    private boolean hasSeen;
    private long seenBeat;
    private long seenHead;
    private long askedMs;
    private long movedMs = UNKNOWN;
    private long knownMs = UNKNOWN;

    /** A publisher's sign of life: the tree was current at {@code timeMs}, but for what waits since {@code oldestMs}. */
    record Beat(long timeMs, long oldestMs) {
        /** Null where there is none or nobody can read it. */
        static Beat of(byte[] data) {
            if (data == null) {
                return null;
            }
            try {
                Json beat = Json.of("beat", data);
                beat.number("revision");
                beat.text("who");
                return new Beat(beat.number("time_ms"), beat.number("oldest_ms", 0));
            } catch (CorruptException e) {
                return null;
            }
        }
    }

    /**
     * When the tree is known to have been current, UNKNOWN where nobody says so any more.
     *
     * <p>{@code beatZxid} and {@code headZxid} are the last changes of both as ZooKeeper counts them. A change fell
     * between the last question and this one: the beat's own time counts only within that.
     */
    long judge(Beat beat, long beatZxid, long headZxid, long nowAskedMs) {
        if (!hasSeen) {
            // We cannot tell yet whether it moves: the clocks must agree, or the next beat tells.
            if (beat != null && Math.abs(nowAskedMs - beat.timeMs()) <= SILENT_MS) {
                movedMs = nowAskedMs;
                knownMs = Math.min(beat.timeMs(), nowAskedMs);
            }
        } else if (beatZxid != seenBeat || headZxid != seenHead || nowAskedMs < askedMs) {
            movedMs = nowAskedMs;
            long told = beat == null ? nowAskedMs : beat.timeMs();
            knownMs = Math.max(Math.min(askedMs, nowAskedMs), Math.min(told, nowAskedMs));
        }
        hasSeen = true;
        seenBeat = beatZxid;
        seenHead = headZxid;
        askedMs = nowAskedMs;
        if (movedMs == UNKNOWN || nowAskedMs - movedMs > SILENT_MS) {
            return UNKNOWN;
        }
        boolean isBehind = beat != null && beat.oldestMs() != 0; // the publisher itself, since then
        return isBehind ? Math.min(knownMs, beat.oldestMs()) : knownMs;
    }
}
