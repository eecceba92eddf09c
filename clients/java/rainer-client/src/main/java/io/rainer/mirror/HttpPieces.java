package io.rainer.mirror;

import io.rainer.UnavailableException;
import java.io.ByteArrayOutputStream;
import java.net.http.HttpHeaders;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** An answer on its way: its status and headers, and its body as it comes. For one thread. */
final class HttpPieces implements AutoCloseable {
    private static final Object END = new Object();

    private final HttpResponse<?> response;
    private final String root;
    private final BlockingQueue<Object> arrived = new LinkedBlockingQueue<>();
    private volatile Flow.Subscription subscription;
    private volatile boolean isClosed;

    HttpPieces(HttpResponse<Flow.Publisher<List<ByteBuffer>>> response, String root) {
        this.response = response;
        this.root = root;
        response.body().subscribe(new Arrivals());
    }

    /** The server, or something before it, said nothing for too long. */
    static final class SilenceException extends UnavailableException {
        private static final long serialVersionUID = 1L;

        SilenceException(String message) {
            super(message, null, Map.of());
        }
    }

    private final class Arrivals implements Flow.Subscriber<List<ByteBuffer>> {
        @Override
        public void onSubscribe(Flow.Subscription given) {
            subscription = given;
            if (isClosed) {
                given.cancel();
            } else {
                given.request(1);
            }
        }

        @Override
        public void onNext(List<ByteBuffer> pieces) {
            arrived.add(pieces);
        }

        @Override
        public void onError(Throwable error) {
            arrived.add(error);
        }

        @Override
        public void onComplete() {
            arrived.add(END);
        }
    }

    int status() {
        return response.statusCode();
    }

    HttpHeaders headers() {
        return response.headers();
    }

    String contentType() {
        String told = headers().firstValue("content-type").orElse("");
        int end = told.indexOf(';');
        return (end < 0 ? told : told.substring(0, end)).strip().toLowerCase(Locale.ROOT);
    }

    /** The next bytes, null at the end; after {@code silence} without any a SilenceException. */
    byte[] next(Duration silence) throws InterruptedException {
        Object found = arrived.poll(silence.toMillis(), TimeUnit.MILLISECONDS);
        if (found == null) {
            throw new SilenceException(root + " was silent for " + silence.toMillis() + " ms");
        }
        if (found == END) {
            arrived.add(END);
            return null;
        }
        if (found instanceof Throwable error) {
            throw new UnavailableException("the answer of " + root + " broke off: " + HttpWire.reason(error));
        }
        subscription.request(1);
        return joined((List<?>) found);
    }

    private static byte[] joined(List<?> pieces) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (Object piece : pieces) {
            ByteBuffer bytes = (ByteBuffer) piece;
            byte[] some = new byte[bytes.remaining()];
            bytes.get(some);
            out.writeBytes(some);
        }
        return out.toByteArray();
    }

    /** The whole body, within {@code most}. */
    byte[] all(Duration silence, Duration most) throws InterruptedException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        long begun = System.nanoTime();
        for (byte[] piece = next(silence); piece != null; piece = next(silence)) {
            out.writeBytes(piece);
            if (System.nanoTime() - begun > most.toNanos()) {
                throw new UnavailableException("the answer of " + root + " was still coming in when the time was up");
            }
        }
        return out.toByteArray();
    }

    @Override
    public void close() {
        isClosed = true; // first: a subscription that comes right now then sees it
        Flow.Subscription ended = subscription;
        if (ended != null) {
            ended.cancel();
        }
    }
}
