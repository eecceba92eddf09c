package io.rainer.zookeeper;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.rainer.mirror.Mirror;
import io.rainer.mirror.MirrorOptions;
import io.rainer.mirror.Values;
import java.nio.file.Path;
import java.time.Duration;

/** What clients/java/README.md shows of mirrors, compiled and run: each snippet stands here word for word. */
public final class Snippets {
    private Snippets() {}

    /** Usage: Snippets HOSTS FILE. Prints what the snippet brought. */
    public static void main(String[] arguments) throws InterruptedException {
        System.out.println(applePrice(arguments[0], Path.of(arguments[1])));
    }

    private static int applePrice(String hosts, Path file) throws InterruptedException {
        MirrorOptions options = MirrorOptions.defaults().withSnapshot(file);
        try (Mirror mirror = ZooKeeperMirrors.mirror(hosts, "/rainer/diary", options)) {
            mirror.start().awaitReady(Duration.ofSeconds(30));
            mirror.onChange((key, before, after) -> System.err.println(key + " changed"));
            Values<JsonNode> lists = mirror.values(new ObjectMapper()::readTree);
            return lists.get("prices").get("apple").asInt();
        }
    }
}
