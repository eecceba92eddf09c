package io.rainer;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/** The bounds of one call, over all its attempts, and the way to end it early. Thread-safe. */
final class Call {
    private final Duration timeout;
    private final Duration answerTimeout;
    private final Executor executor;
    private volatile long deadline;
    private volatile boolean isCancelled;
    private volatile CompletableFuture<?> onGoing;

    /** A call that begins now and may take {@code timeout}; each attempt's answer begins within {@code answerTimeout}. */
    Call(Duration timeout, Duration answerTimeout, Executor executor) {
        this.timeout = timeout;
        this.answerTimeout = answerTimeout;
        this.executor = executor;
        renew();
    }

    /** Give the next part of a long call, such as a page, the whole time again. */
    void renew() {
        deadline = System.nanoTime() + timeout.toNanos();
    }

    Duration left() {
        return Duration.ofNanos(deadline - System.nanoTime());
    }

    /** How long the next attempt may wait for its answer to begin, and to go on. */
    Duration answerBound() {
        Duration left = left();
        return Transport.positive(left.compareTo(answerTimeout) < 0 ? left : answerTimeout);
    }

    void onGoing(CompletableFuture<?> exchange) {
        onGoing = exchange;
        if (isCancelled) {
            exchange.cancel(true);
        }
    }

    boolean isCancelled() {
        return isCancelled;
    }

    /** Whether there is time for that pause. */
    boolean mayRest(Duration pause) {
        return !isCancelled && pause.compareTo(left()) < 0;
    }

    /** A future that is done after a pause. */
    CompletableFuture<Void> rest(Duration pause) {
        Executor later = CompletableFuture.delayedExecutor(pause.toNanos(), TimeUnit.NANOSECONDS, executor);
        return CompletableFuture.runAsync(() -> {}, later);
    }

    /** What the caller holds: cancelling it ends the exchange on the wire, and there are no further attempts. */
    <T> CompletableFuture<T> handOut(CompletableFuture<T> inner) {
        CompletableFuture<T> outer = inner.copy();
        outer.whenComplete((value, failure) -> {
            if (outer.isCancelled()) {
                isCancelled = true; // first: an exchange that begins right now then sees it
                CompletableFuture<?> exchange = onGoing;
                if (exchange != null) {
                    exchange.cancel(true);
                }
            }
        });
        return outer;
    }
}
