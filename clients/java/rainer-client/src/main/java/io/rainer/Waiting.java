package io.rainer;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.function.Supplier;

/** Waits for futures on behalf of callers that block. */
final class Waiting {
    private Waiting() {}

    /**
     * What the future brings, or its error with the caller's stack, for it was made on another thread.
     *
     * @param interrupted the error for a caller that is interrupted: the call is cancelled, the interrupt stays set
     */
    static <T> T on(CompletableFuture<T> future, Supplier<RainerException> interrupted) {
        try {
            return future.get();
        } catch (InterruptedException e) {
            future.cancel(true);
            Thread.currentThread().interrupt();
            throw interrupted.get();
        } catch (ExecutionException e) {
            throw thrown(e.getCause());
        }
    }

    /** The same for calls that change nothing. */
    static <T> T on(CompletableFuture<T> future) {
        return on(future, () -> new UnavailableException("the waiting thread was interrupted"));
    }

    private static RuntimeException thrown(Throwable failure) {
        Throwable cause = failure instanceof CompletionException && failure.getCause() != null
                ? failure.getCause()
                : failure;
        if (cause instanceof Error error) {
            throw error;
        }
        if (cause instanceof RuntimeException told) {
            told.fillInStackTrace();
            return told;
        }
        return new IllegalStateException(cause);
    }
}
