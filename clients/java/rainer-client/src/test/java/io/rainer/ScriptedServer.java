package io.rainer;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** A server on loopback that answers as a test says, and remembers what it was asked. */
public final class ScriptedServer implements AutoCloseable {
    /** What came in; the names of {@code headers} are in small letters, their values' characters are the bytes. */
    public record Asked(String method, String path, Map<String, String> headers, byte[] body) {}

    /**
     * What goes out; null instead of one: the connection is closed without an answer.
     *
     * @param missing how many more bytes the answer promises than it has before the connection is closed
     */
    public record Told(int status, Map<String, String> headers, byte[] body, int missing) {
        /** An answer that is whole. */
        public Told(int status, Map<String, String> headers, byte[] body) {
            this(status, headers, body, 0);
        }

        /** A text without headers of interest. */
        public static Told of(int status, String body) {
            return new Told(status, Map.of(), body.getBytes(StandardCharsets.UTF_8));
        }

        /** A problem document. */
        public static Told problem(int status, String body) {
            return new Told(status, Map.of("Content-Type", "application/problem+json"), of(status, body).body());
        }
    }

    /** The script; {@code turn} counts requests from 1. */
    public interface Script {
        Told answer(Asked asked, int turn) throws Exception;
    }

    static {
        // Else head and body of an answer, which it writes apart, are 40 ms apart.
        System.setProperty("sun.net.httpserver.nodelay", "true");
    }

    private final HttpServer server;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final List<Asked> asked = new CopyOnWriteArrayList<>();

    public ScriptedServer(Script script) {
        try {
            server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
        server.createContext("/", exchange -> serve(exchange, script));
        server.setExecutor(threads);
        server.start();
    }

    private void serve(HttpExchange exchange, Script script) throws IOException {
        Map<String, String> headers = new java.util.TreeMap<>();
        exchange.getRequestHeaders().forEach((name, values) ->
                headers.put(name.toLowerCase(java.util.Locale.ROOT), String.join(", ", values)));
        String path = exchange.getRequestURI().toString();
        asked.add(new Asked(exchange.getRequestMethod(), path, headers, exchange.getRequestBody().readAllBytes()));
        Told told;
        try {
            told = script.answer(asked.get(asked.size() - 1), asked.size());
        } catch (Exception e) {
            throw new IOException(e);
        }
        if (told == null) {
            exchange.close();
            return;
        }
        told.headers().forEach((name, value) -> exchange.getResponseHeaders().set(name, value));
        int length = told.body().length + told.missing();
        exchange.sendResponseHeaders(told.status(), length == 0 ? -1 : length);
        exchange.getResponseBody().write(told.body());
        exchange.getResponseBody().flush();
        exchange.close();
    }

    /** The base URL of a namespace. */
    public String url(String namespace) {
        return "http://127.0.0.1:" + server.getAddress().getPort() + "/" + namespace;
    }

    /** Everything that was asked, in order. */
    public List<Asked> asked() {
        return asked;
    }

    @Override
    public void close() {
        server.stop(0);
        threads.shutdownNow();
    }
}
