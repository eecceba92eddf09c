package io.rainer;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.security.cert.CertificateException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLHandshakeException;

/** One attempt to send a request and to read its answer whole, over the JDK's client and its pool. Thread-safe. */
final class Transport {
    private final HttpClient http;
    private final String root;
    private final Map<String, String> headers;
    private final Executor executor;

    /** A transport to one server; {@code headers} go with every request, and answers are read by the executor. */
    Transport(HttpClient http, String root, Map<String, String> headers, Executor executor) {
        this.http = http;
        this.executor = executor;
        this.root = root;
        this.headers = Map.copyOf(headers);
    }

    String root() {
        return root;
    }

    HttpClient http() {
        return http;
    }

    /** A request for a path of the server, with the headers that all have. InvalidException for what is no path. */
    HttpRequest.Builder request(String path) {
        HttpRequest.Builder request;
        try {
            request = HttpRequest.newBuilder(URI.create(root + path));
        } catch (IllegalArgumentException e) {
            throw new InvalidException("path " + Names.shorten(path) + " cannot be asked for: " + e.getMessage());
        }
        headers.forEach(request::setHeader);
        return request;
    }

    /**
     * Send once and read the whole answer, within the call's bounds. The future fails with AttemptFailed only.
     *
     * <p>The JDK bounds the time until an answer begins, an Arrival each silence in it, the call's deadline all of it.
     */
    CompletableFuture<Answer> attempt(HttpRequest.Builder unbounded, Call call) {
        if (call.isCancelled()) {
            CancellationException cause = new CancellationException();
            return CompletableFuture.failedFuture(new AttemptFailed(AttemptFailed.Kind.UNSENT, reason(cause), cause));
        }
        HttpRequest request = unbounded.copy().timeout(call.answerBound()).build();
        Arrival arrival = new Arrival(call.answerBound());
        CompletableFuture<HttpResponse<byte[]>> exchange = http.sendAsync(request, arrival);
        call.onGoing(exchange);
        CompletableFuture<HttpResponse<byte[]>> bounded =
                exchange.copy().orTimeout(Math.max(1, call.left().toMillis()), TimeUnit.MILLISECONDS);
        arrival.late().exceptionally(silence -> {
            bounded.completeExceptionally(silence);
            return null;
        });
        // By the executor: what is done next, such as reading some MB of JSON, is not for the thread of a timer.
        return bounded.handleAsync(
                        (response, failure) -> {
                            arrival.end();
                            exchange.cancel(true); // ends the exchange where only the waiting for it has ended
                            return failure == null
                                    ? CompletableFuture.completedFuture(answer(response))
                                    : CompletableFuture.<Answer>failedFuture(told(failure));
                        },
                        executor)
                .thenCompose(outcome -> outcome);
    }

    private static Answer answer(HttpResponse<byte[]> response) {
        return new Answer(response.statusCode(), response.headers(), response.body(), response.uri().toString());
    }

    private static AttemptFailed told(Throwable failure) {
        Throwable cause = failure instanceof CompletionException && failure.getCause() != null
                ? failure.getCause()
                : failure;
        if (isCausedBy(cause, CertificateException.class)) {
            return new AttemptFailed(AttemptFailed.Kind.UNTRUSTED, reason(cause), cause);
        }
        if (cause instanceof HttpConnectTimeoutException) {
            return new AttemptFailed(AttemptFailed.Kind.UNSENT, "no connection within the time allowed", cause);
        }
        if (isCausedBy(cause, UnresolvedAddressException.class)) {
            return new AttemptFailed(AttemptFailed.Kind.UNSENT, "its name is not known", cause);
        }
        if (cause instanceof ConnectException || cause instanceof SSLHandshakeException) {
            return new AttemptFailed(AttemptFailed.Kind.UNSENT, reason(cause), cause);
        }
        boolean isLate = cause instanceof HttpTimeoutException || cause instanceof TimeoutException;
        String words = isLate ? "no answer within the time allowed" : reason(cause);
        return new AttemptFailed(AttemptFailed.Kind.UNANSWERED, words, cause);
    }

    private static boolean isCausedBy(Throwable failure, Class<? extends Throwable> kind) {
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (kind.isInstance(cause)) {
                return true;
            }
        }
        return false;
    }

    /** The system's own words where there are any ("Connection refused"), else the kind of failure. */
    private static String reason(Throwable failure) {
        if (failure instanceof CancellationException) {
            return "the call was cancelled";
        }
        for (Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (cause instanceof IOException && cause.getMessage() != null) {
                return cause.getMessage();
            }
        }
        return failure.getMessage() == null ? failure.getClass().getSimpleName() : failure.getMessage();
    }

    /** The bound of a JDK timeout: it takes nothing that is not positive. */
    static Duration positive(Duration bound) {
        return bound.compareTo(Duration.ofMillis(1)) < 0 ? Duration.ofMillis(1) : bound;
    }
}
