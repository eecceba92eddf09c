package io.rainer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpServer;
import io.rainer.mirror.Mirror;
import io.rainer.mirror.MirrorOptions;
import io.rainer.mirror.Values;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;

/** The long-running service of README.md: it stands there word for word, and a test runs it. */
final class PriceService {
    private PriceService() {}

    /** Usage: PriceService URL FILE PORT. */
    public static void main(String[] arguments) throws Exception {
        run(arguments[0], Path.of(arguments[1]), Integer.parseInt(arguments[2]));
    }

    static void run(String url, Path file, int port) throws Exception {
        MirrorOptions options = MirrorOptions.defaults().withSnapshot(file);
        try (Mirror mirror = Mirror.http(url, options).awaitReady(Duration.ofSeconds(30))) {
            Values<JsonNode> prices = mirror.values(new ObjectMapper()::readTree);
            mirror.onChange((key, before, after) -> System.out.println(key + " is now " + prices.get(key)));
            HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
            server.createContext("/", exchange -> {
                JsonNode price = prices.get(exchange.getRequestURI().getPath().substring(1));
                byte[] answer = price == null ? new byte[0] : price.toString().getBytes("UTF-8");
                exchange.getResponseHeaders().set("X-State", mirror.state() + " " + mirror.revision());
                exchange.sendResponseHeaders(price == null ? 404 : 200, answer.length == 0 ? -1 : answer.length);
                exchange.getResponseBody().write(answer);
                exchange.close();
            });
            Runtime.getRuntime().addShutdownHook(new Thread(mirror::close)); // saves the file a last time
            server.start();
            System.out.println("serving " + mirror.heads().size() + " prices");
            Thread.currentThread().join(); // until somebody ends the program
        }
    }
}
