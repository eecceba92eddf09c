package io.rainer.mirror;

import io.rainer.InvalidException;
import io.rainer.UnavailableException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.zip.GZIPInputStream;

/**
 * Asks one server. Each method throws UnavailableException where no answer came, and InterruptedException where its
 * thread is interrupted, which ends the request.
 */
final class HttpWire {
    private static final Duration ANSWER = Duration.ofSeconds(120);

    private final HttpAddress address;
    private final HttpClient client;
    private final Duration connectTimeout;

    HttpWire(HttpAddress address, MirrorOptions options) {
        this.address = address;
        connectTimeout = options.connectTimeout();
        client = options.httpClient() != null ? options.httpClient() : HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .proxy(HttpClient.Builder.NO_PROXY) // what is set for something else, as in RainerClient
                .connectTimeout(connectTimeout)
                .build();
    }

    HttpAddress address() {
        return address;
    }

    /** The whole answer to a GET, whatever its status; the server may be silent for {@code silence} at a time. */
    HttpAnswer get(String path, Map<String, String> headers, Duration silence) throws InterruptedException {
        return whole(request(path, headers).GET().build(), silence);
    }

    /** Sends JSON, or, where it is null, a DELETE. */
    HttpAnswer send(String path, byte[] json, Duration silence) throws InterruptedException {
        HttpRequest.Builder request = request(path, Map.of("Content-Type", "application/json"));
        return whole(json == null
                ? request.DELETE().build()
                : request.PUT(HttpRequest.BodyPublishers.ofByteArray(json)).build(), silence);
    }

    private HttpAnswer whole(HttpRequest request, Duration silence) throws InterruptedException {
        try (HttpPieces pieces = open(request, silence)) {
            byte[] body = pieces.all(silence, ANSWER);
            String encoding = pieces.headers().firstValue("content-encoding").orElse("");
            return new HttpAnswer(pieces.status(), pieces.headers(), encoding.equals("gzip") ? unzipped(body) : body,
                    address.root());
        }
    }

    private byte[] unzipped(byte[] body) {
        try (GZIPInputStream plain = new GZIPInputStream(new ByteArrayInputStream(body), 1 << 16)) {
            return plain.readAllBytes();
        } catch (IOException e) {
            throw new UnavailableException("the answer of " + address.root() + " cannot be unpacked: " + e.getMessage());
        }
    }

    /** An answer that is read as it comes; close it. */
    HttpPieces open(String path, Map<String, String> headers, Duration silence) throws InterruptedException {
        return open(request(path, headers).GET().build(), silence);
    }

    private HttpPieces open(HttpRequest request, Duration silence) throws InterruptedException {
        CompletableFuture<HttpResponse<Flow.Publisher<List<ByteBuffer>>>> sent =
                client.sendAsync(request, HttpResponse.BodyHandlers.ofPublisher());
        try {
            return new HttpPieces(sent.get(connectTimeout.plus(silence).toMillis(), TimeUnit.MILLISECONDS), address.root());
        } catch (TimeoutException e) {
            throw new HttpPieces.SilenceException(address.root() + " did not begin to answer within " + silence.toMillis()
                    + " ms");
        } catch (ExecutionException e) {
            throw new UnavailableException(address.root() + " cannot be reached: " + reason(e.getCause()));
        } finally {
            sent.cancel(true); // does nothing where it has answered
        }
    }

    private HttpRequest.Builder request(String path, Map<String, String> headers) {
        try {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(address.root() + path));
            request.header("User-Agent", "rainer-java");
            headers.forEach(request::header);
            if (address.login() != null) {
                request.header("Authorization", address.login());
            }
            return request;
        } catch (IllegalArgumentException e) {
            throw new InvalidException("request to " + address.root() + ": " + e.getMessage());
        }
    }

    static String reason(Throwable e) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (cause.getMessage() != null) {
                return cause.getMessage();
            }
        }
        return e.getClass().getSimpleName();
    }
}
