package io.rainer;

import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * An answer's body on its way: read whole, and given up when nothing of it has come for too long, for the JDK bounds only
 * the time until an answer begins.
 */
final class Arrival implements HttpResponse.BodyHandler<byte[]> {
    private final long silenceNs;
    private final CompletableFuture<Void> late = new CompletableFuture<>();
    private volatile long heardNs;
    private volatile boolean isOver;
    private volatile CompletableFuture<Void> timer;

    Arrival(Duration silence) {
        silenceNs = silence.toNanos();
    }

    /** Fails with TimeoutException after such a silence, and else is never done. */
    CompletableFuture<Void> late() {
        return late;
    }

    /** There is nothing to wait for any more. */
    void end() {
        isOver = true;
        CompletableFuture<Void> last = timer;
        if (last != null) {
            last.complete(null);
        }
    }

    @Override
    public HttpResponse.BodySubscriber<byte[]> apply(HttpResponse.ResponseInfo info) {
        heardNs = System.nanoTime();
        watch(silenceNs);
        return new Reading(HttpResponse.BodySubscribers.ofByteArray());
    }

    private void watch(long leftNs) {
        CompletableFuture<Void> next = new CompletableFuture<Void>().orTimeout(leftNs, TimeUnit.NANOSECONDS);
        timer = next;
        next.whenComplete((ended, timeIsUp) -> {
            long restNs = silenceNs - (System.nanoTime() - heardNs);
            if (timeIsUp == null || isOver) {
                return;
            }
            if (restNs > 0) {
                watch(restNs);
            } else {
                late.completeExceptionally(new TimeoutException());
            }
        });
        if (isOver) {
            next.complete(null);
        }
    }

    private final class Reading implements HttpResponse.BodySubscriber<byte[]> {
        private final HttpResponse.BodySubscriber<byte[]> whole;

        Reading(HttpResponse.BodySubscriber<byte[]> whole) {
            this.whole = whole;
        }

        @Override
        public CompletionStage<byte[]> getBody() {
            return whole.getBody();
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            whole.onSubscribe(subscription);
        }

        @Override
        public void onNext(List<ByteBuffer> pieces) {
            heardNs = System.nanoTime();
            whole.onNext(pieces);
        }

        @Override
        public void onError(Throwable error) {
            whole.onError(error);
        }

        @Override
        public void onComplete() {
            whole.onComplete();
        }
    }
}
