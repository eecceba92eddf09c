package io.rainer;

import java.net.http.HttpRequest;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/** Sends requests that may be repeated freely until they are answered, refused for good, or out of time. Thread-safe. */
final class Caller {
    private final Transport transport;
    private final Retries retries;
    private final Duration timeout;
    private final Duration answerTimeout;
    private final Executor executor;

    Caller(Transport transport, Retries retries, Duration timeout, Duration answerTimeout, Executor executor) {
        this.transport = transport;
        this.retries = retries;
        this.timeout = timeout;
        this.answerTimeout = answerTimeout;
        this.executor = executor;
    }

    Transport transport() {
        return transport;
    }

    /** The bounds of a call that begins now; {@code wait} is what the server is asked to wait before it answers. */
    Call begin(Duration wait) {
        return new Call(timeout.plus(wait), answerTimeout.plus(wait), executor);
    }

    /** What is asked, by whom it is refused, and which answers beside 200 and 201 are let through. */
    record Question(String path, String namespace, String subject, Predicate<Answer> accept) {
        Question(String path, String namespace, String subject) {
            this(path, namespace, subject, answer -> false);
        }
    }

    /** The answer to a GET; else the future fails with the server's refusal, or UnavailableException. */
    CompletableFuture<Answer> ask(Question question, Call call) {
        return ask(question, call, 1);
    }

    private CompletableFuture<Answer> ask(Question question, Call call, int attempt) {
        HttpRequest.Builder request = transport.request(question.path()).GET();
        return then(transport.attempt(request, call), (answer, failure) -> {
            if (failure != null) {
                return again(question, call, attempt, failure, unreachable(failure));
            }
            if (answer.status() == 200 || answer.status() == 201 || question.accept().test(answer)) {
                return CompletableFuture.completedFuture(answer);
            }
            RainerException refused = Refusals.refusal(answer, question.namespace(), question.subject());
            return again(question, call, attempt, null, refused);
        });
    }

    private CompletableFuture<Answer> again(
            Question question, Call call, int attempt, AttemptFailed failure, RainerException error) {
        Duration pause = pause(call, attempt, failure, error);
        if (!error.retryable() || pause == null) {
            return CompletableFuture.failedFuture(error);
        }
        return call.rest(pause).thenCompose(rested -> ask(question, call, attempt + 1));
    }

    /** How long to wait before the next attempt, at least as long as the server asked; null when there is to be none. */
    Duration pause(Call call, int attempt, AttemptFailed failure, RainerException error) {
        boolean isHopeless = failure != null && failure.kind() == AttemptFailed.Kind.UNTRUSTED;
        if (attempt > retries.times() || isHopeless) {
            return null;
        }
        Duration asked = error instanceof OverloadedException busy ? busy.retryAfter() : Duration.ZERO;
        Duration pause = retries.pauseAfter(attempt, asked);
        return call.mayRest(pause) ? pause : null;
    }

    /** The error for a server that gave no answer, where that is all there is to know. */
    UnavailableException unreachable(AttemptFailed failure) {
        String root = transport.root();
        UnavailableException error =
                switch (failure.kind()) {
                    case UNTRUSTED -> new UnavailableException(
                            "the certificate of " + root + " is not trusted: " + failure.getMessage(),
                            "give the client an HttpClient whose SSLContext knows your certificate authority",
                            Map.of());
                    case UNSENT -> new UnavailableException(
                            root + " cannot be reached: " + failure.getMessage(),
                            "is the server running, and the URL right?",
                            Map.of());
                    case UNANSWERED -> new UnavailableException(root + " gave no answer: " + failure.getMessage());
                };
        error.initCause(failure.getCause());
        return error;
    }

    /** What to do with an attempt: exactly one of answer and failure is there. */
    interface Next<T> {
        CompletableFuture<T> go(Answer answer, AttemptFailed failure);
    }

    /** Go on when an attempt has ended; whatever else goes wrong, such as an Error, passes through. */
    static <T> CompletableFuture<T> then(CompletableFuture<Answer> attempt, Next<T> next) {
        return attempt.handle((answer, failure) -> {
                    Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
                    if (cause != null && !(cause instanceof AttemptFailed)) {
                        return CompletableFuture.<T>failedFuture(cause);
                    }
                    return next.go(answer, (AttemptFailed) cause);
                })
                .thenCompose(outcome -> outcome);
    }

    /** The same outcome, with an error of ours put into other words where there are better ones. */
    static <T> CompletableFuture<T> recover(CompletableFuture<T> from, UnaryOperator<RainerException> words) {
        return from.handle((value, failure) -> {
                    Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
                    if (cause instanceof RainerException error) {
                        return CompletableFuture.<T>failedFuture(words.apply(error));
                    }
                    return cause == null
                            ? CompletableFuture.completedFuture(value)
                            : CompletableFuture.<T>failedFuture(cause);
                })
                .thenCompose(outcome -> outcome);
    }
}
