package io.rainer;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How often a call is repeated at most, with pauses that double from {@code pause} to {@code pauseMax}, half by chance.
 *
 * <p>A server's Retry-After makes a pause longer, never shorter.
 *
 * @param times 0 means: one attempt
 */
public record Retries(int times, Duration pause, Duration pauseMax) {
    /** Five repetitions, pauses from 50 ms to 2 s: what a client does unless told otherwise. */
    public static final Retries DEFAULT = of(5);

    private static final int DOUBLINGS_MAX = 30;

    /** InvalidException for a negative count or pause, or for pauses whose longest is below the first. */
    public Retries {
        if (times < 0 || pause.isNegative() || pauseMax.compareTo(pause) < 0) {
            throw new InvalidException("retries " + times + ", " + pause + ", " + pauseMax
                    + ": times and pauses are not negative, and pauseMax is not below pause");
        }
    }

    /** That many repetitions, with the usual pauses. */
    public static Retries of(int times) {
        return new Retries(times, Duration.ofMillis(50), Duration.ofSeconds(2));
    }

    /** How long to wait after the attempt of that number, counted from 1. */
    Duration pauseAfter(int attempt, Duration asked) {
        double longest = Math.min(pauseMax.toNanos(), pause.toNanos() * Math.pow(2, Math.min(attempt - 1, DOUBLINGS_MAX)));
        // Half of it random: clients that failed together must not come back together.
        Duration chosen = Duration.ofNanos((long) (longest * ThreadLocalRandom.current().nextDouble(0.5, 1.0)));
        return asked.compareTo(chosen) > 0 ? asked : chosen; // what is asked may be millennia, and no number of nanoseconds
    }
}
