package io.rainer.mirror;

import static io.rainer.mirror.Scripted.at;
import static io.rainer.mirror.Scripted.head;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.rainer.Commit;
import io.rainer.ScriptedServer;
import io.rainer.ScriptedServer.Told;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What a mirror's surroundings do to it that no server of ours would: it goes on, and says so. */
@Timeout(30)
class RoughDaysTest {
    private static final String HALF = "half a character: \ud83d";

    private static Incoming withComment(String comment) {
        return Incoming.head(new Commit(
                "diary", "a", 1, OptionalLong.of(1), new byte[0], false, "me", comment, Instant.EPOCH));
    }

    @Test
    void whatCannotBeSavedDoesNotKeepAMirrorFromClosing(@TempDir Path folder) throws Exception {
        Scripted source = new Scripted();
        Mirror mirror = source.mirror(MirrorOptions.defaults().withSnapshot(folder.resolve("diary"))).start();
        CountDownLatch told = new CountDownLatch(1);
        mirror.onChange((key, before, after) -> told.countDown());
        source.load(1, withComment(HALF));
        told.await();
        mirror.close();
        assertEquals(MirrorState.CLOSED, mirror.state());
        assertTrue(source.isClosed);
        try (Mirror next = new Scripted().mirror(MirrorOptions.defaults().withSnapshot(folder.resolve("diary"))).start()) {
            assertNull(next.get("a"));
        }
    }

    @Test
    void halfACharacterIsNoText() throws Exception {
        String meta = "{\"key\":\"a\",\"version\":1,\"author\":\"me\",\"comment\":\"\\ud83d\",\"empty\":false,"
                + "\"mtime\":\"2026-01-31T12:34:56.789Z\",\"payload_base64\":\"\"}";
        Incoming found = HttpPage.head(new ObjectMapper().readTree(meta), "a", "diary");
        assertTrue(found.isBad());
        String whole = meta.replace("\\ud83d", "\\ud83d\\ude00").replace("\"version\":1", "\"version\":1.5");
        assertTrue(HttpPage.head(new ObjectMapper().readTree(whole), "a", "diary").isBad());
    }

    @Test
    void aReportIsCutBetweenCharacters() {
        Scripted source = new Scripted();
        try (Mirror mirror = source.started()) {
            String long199 = "x".repeat(199);
            byte[] told = Report.of("id", source.sink, "http", long199 + "😀 and more", "").toBytes();
            assertTrue(new String(told, java.nio.charset.StandardCharsets.UTF_8).contains(long199 + "\""));
            assertNotNull(Report.of("id", source.sink, "http", HALF, "").toBytes());
            assertEquals("diary", mirror.namespace());
        }
    }

    @Test
    void aParserThatRunsOutOfStackLeavesTheLastGoodValue() {
        Scripted source = new Scripted();
        try (Mirror mirror = source.started()) {
            Values<Integer> values = mirror.values(payload -> payload[0] == '[' ? endless(1) : payload.length);
            source.load(1, head("a", 1, "good"));
            assertEquals(4, values.get("a"));
            source.apply(2, head("a", 2, "["));
            assertEquals(4, values.get("a"));
            assertTrue(values.errors().get("a").contains("StackOverflowError"));
        }
    }

    private static int endless(int depth) {
        return endless(depth + 1) + 1;
    }

    @Test
    void whatWasCurrentBeforeAllTimeIsNotCurrent() {
        for (long atMs : new long[] {0, -1, Long.MIN_VALUE, Long.MIN_VALUE + System.currentTimeMillis()}) {
            Standing standing = new Standing();
            standing.beCurrent(atMs);
            assertTrue(standing.age().compareTo(Duration.ofDays(365)) > 0, standing.age().toString());
        }
    }

    @Test
    void programsThatShareASnapshotFileDoNotTrip(@TempDir Path folder) throws Exception {
        Path path = folder.resolve("diary");
        State state = new State(Heads.EMPTY, at(1), java.util.Map.of(), 1);
        CompletableFuture<?>[] savers = new CompletableFuture<?>[3];
        for (int i = 0; i < savers.length; i++) {
            savers[i] = CompletableFuture.runAsync(() -> {
                SnapshotFile file = new SnapshotFile(path, "diary");
                for (int round = 0; round < 60; round++) {
                    try {
                        file.save(state, System.currentTimeMillis());
                    } catch (java.io.IOException e) {
                        throw new AssertionError(e);
                    }
                }
            });
        }
        CompletableFuture.allOf(savers).get();
        assertNotNull(new SnapshotFile(path, "diary").load());
        assertEquals(2, java.util.Objects.requireNonNull(folder.toFile().list()).length);
    }

    @Test
    void aProxyThatIsSetForSomethingElseIsNotUsed() throws Exception {
        AtomicInteger asked = new AtomicInteger();
        ProxySelector before = ProxySelector.getDefault();
        ProxySelector.setDefault(new ProxySelector() {
            @Override
            public List<Proxy> select(URI uri) {
                asked.incrementAndGet();
                return List.of(Proxy.NO_PROXY);
            }

            @Override
            public void connectFailed(URI uri, SocketAddress address, java.io.IOException e) {}
        });
        CountDownLatch heard = new CountDownLatch(1);
        try (ScriptedServer server = new ScriptedServer((request, turn) -> {
                    heard.countDown();
                    return Told.of(404, "");
                });
                Mirror mirror = Mirror.http(server.url("diary")).start()) {
            heard.await();
            assertFalse(mirror.state() == MirrorState.CURRENT);
        } finally {
            ProxySelector.setDefault(before);
        }
        assertEquals(0, asked.get());
    }
}
