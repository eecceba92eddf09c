package io.rainer.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.rainer.ScriptedServer;
import io.rainer.ScriptedServer.Asked;
import io.rainer.ScriptedServer.Told;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;

/** A mirror over HTTP, and servers that answer what a test says. */
class HttpSourceTest {
    private static final Duration SOON = Duration.ofSeconds(20);
    private static final String CHAIN = "ab".repeat(32);
    private static final String ONE = "11111111-1111-4111-8111-111111111111";
    private static final String OTHER = "22222222-2222-4222-8222-222222222222";
    private static final MirrorOptions QUIET = MirrorOptions.defaults().withReports(false);

    private static String meta(String key, int version, String payload) {
        String encoded = Base64.getEncoder().encodeToString(payload.getBytes(StandardCharsets.UTF_8));
        return "{\"key\":\"" + key + "\",\"version\":" + version + ",\"author\":\"me\",\"comment\":\"\",\"mtime\":"
                + "\"2026-01-31T12:34:56.789Z\",\"empty\":false,\"payload_base64\":\"" + encoded + "\",\"revision\":"
                + version + "}";
    }

    private static Told list(String lineage, long revision, String tag, String... members) {
        Map<String, String> headers = new HashMap<>(Map.of("ETag", "\"" + tag + "\""));
        if (lineage != null) {
            headers.put("X-Rainer-Revision", Long.toString(revision));
            headers.put("X-Rainer-Lineage", lineage);
        }
        String body = "{" + String.join(",", members) + "}\r\n";
        return new Told(200, headers, body.getBytes(StandardCharsets.UTF_8));
    }

    private static Told page(String lineage, long revision, String... changes) {
        return Told.of(200, "{\"lineage\":\"" + lineage + "\",\"revision\":" + revision + ",\"chain\":\"" + CHAIN
                + "\",\"more\":false,\"changes\":[" + String.join(",", changes) + "]}");
    }

    private static Told events(String text) {
        return new Told(200, Map.of("Content-Type", "text/event-stream"), text.getBytes(StandardCharsets.UTF_8));
    }

    private static boolean isForList(Asked asked) {
        return asked.path().startsWith("/diary?");
    }

    private static boolean isForEvents(Asked asked) {
        return asked.headers().getOrDefault("accept", "").equals("text/event-stream");
    }

    private static void await(BooleanSupplier isSo, Mirror mirror) throws InterruptedException {
        long until = System.nanoTime() + SOON.toNanos();
        while (!isSo.getAsBoolean()) {
            assertTrue(System.nanoTime() < until, () -> mirror + " " + mirror.error());
            Thread.sleep(5);
        }
    }

    private static String payload(Mirror mirror, String key) {
        return mirror.get(key) == null ? null : mirror.get(key).payloadText();
    }

    @Test
    void loadsThenFollowsEvents() throws InterruptedException {
        String change = "event: changes\nid: 6\ndata: "
                + new String(page(ONE, 6, meta("b", 1, "new")).body(), StandardCharsets.UTF_8) + "\n\n: beat\n\n";
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> {
                    if (isForList(asked)) {
                        return list(ONE, 5, CHAIN.substring(0, 32), "\"a\":" + meta("a", 3, "three"));
                    }
                    boolean isBehind = asked.path().contains("since=5");
                    return isForEvents(asked) ? events(isBehind ? change : ": beat\n\n") : page(ONE, isBehind ? 5 : 6);
                });
                Mirror mirror = Mirror.http(server.url("diary"), QUIET).awaitReady(SOON)) {
            assertEquals("three", payload(mirror, "a"));
            assertEquals("new", mirror.waitFor("b", 1, SOON).orElseThrow().payloadText());
            assertEquals(6, mirror.revision());
            assertEquals(3, mirror.get("a").revision().orElseThrow());
        }
    }

    @Test
    void pollsWhereEventsDoNotGetThrough() throws InterruptedException {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> {
                    if (isForList(asked)) {
                        return list(ONE, 5, "", "\"a\":" + meta("a", 1, "1"));
                    }
                    return asked.path().contains("wait=") && asked.path().contains("since=5")
                            ? page(ONE, 6, meta("a", 2, "2"))
                            : page(ONE, asked.path().contains("since=6") ? 6 : 5);
                });
                Mirror mirror = Mirror.http(server.url("diary"), QUIET).awaitReady(SOON)) {
            assertEquals("2", mirror.waitFor("a", 2, SOON).orElseThrow().payloadText());
            assertTrue(server.asked().stream().anyMatch(HttpSourceTest::isForEvents));
        }
    }

    @Test
    void loadsAnewWhereItsPositionIsGone() throws InterruptedException {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> {
                    if (isForList(asked)) {
                        return turn < 3
                                ? list(ONE, 5, "", "\"a\":" + meta("a", 9, "of one lineage"))
                                : list(OTHER, 2, "", "\"a\":" + meta("a", 1, "of another"));
                    }
                    if (asked.path().contains("lineage=" + OTHER)) {
                        return isForEvents(asked) ? events(": beat\n\n") : page(OTHER, 2);
                    }
                    return turn == 2 ? page(ONE, 5) : Told.problem(410, "{\"code\":\"position-gone\",\"detail\":\"gone\"}");
                });
                Mirror mirror = Mirror.http(server.url("diary"), QUIET).start()) {
            await(() -> "of another".equals(payload(mirror, "a")), mirror);
            assertEquals(OTHER, mirror.position().orElseThrow().lineage());
        }
    }

    private static Told readable(String name, Told told) {
        if (!told.headers().containsKey("ETag")) {
            String body = new String(told.body(), StandardCharsets.UTF_8);
            String named = body.replace("\"changes\":", "\"readable\":\"" + name + "\",\"changes\":");
            return new Told(200, told.headers(), named.getBytes(StandardCharsets.UTF_8));
        }
        Map<String, String> headers = new HashMap<>(told.headers());
        headers.put("X-Rainer-Readable", name);
        return new Told(200, headers, told.body());
    }

    /** A namespace of which {@code now} may be read: all of it, told by a 410 that it changed, or by another page. */
    private static Told sight(Asked asked, String now, boolean isRefused) {
        if (isForList(asked)) {
            return readable(now, now.equals("all")
                    ? list(ONE, 5, "", "\"a\":" + meta("a", 1, "1"), "\"b\":" + meta("b", 1, "b"))
                    : list(ONE, 5, "", "\"a\":" + meta("a", 1, "1")));
        }
        boolean isOther = !asked.path().contains("readable=" + now) && asked.path().contains("chain=");
        if (isOther && isRefused) {
            return Told.problem(410, "{\"code\":\"position-gone\",\"detail\":\"other keys may be read\"}");
        }
        if (!isForEvents(asked)) {
            return readable(now, page(ONE, 5));
        }
        Told page = readable(now, page(ONE, 6, meta("a", 2, "2")));
        String event = "event: changes\ndata: " + new String(page.body(), StandardCharsets.UTF_8) + "\n\n";
        return events(isOther ? event : ": beat\n\n");
    }

    @Test
    void loadsAnewWhereOtherKeysMayBeRead() throws InterruptedException {
        for (boolean isRefused : new boolean[] {true, false}) {
            AtomicReference<String> now = new AtomicReference<>("some");
            MirrorOptions options = QUIET.withToken("secret-token");
            try (ScriptedServer server = new ScriptedServer((asked, turn) -> sight(asked, now.get(), isRefused));
                    Mirror mirror = Mirror.http(server.url("diary"), options).awaitReady(SOON)) {
                assertNull(mirror.get("b"));
                now.set("all");
                await(() -> "b".equals(payload(mirror, "b")), mirror);
                now.set("some");
                await(() -> mirror.get("b") == null, mirror);
                assertFalse((options + " " + mirror).contains("secret-token"));
                assertTrue(server.asked().stream().allMatch(one ->
                        one.headers().getOrDefault("authorization", "").equals("Bearer secret-token")));
                assertTrue(server.asked().stream().anyMatch(one -> one.path().contains("&readable=all")));
                await(() -> server.asked().stream().anyMatch(one ->
                        isForEvents(one) && one.path().contains("&readable=some&")), mirror);
            }
        }
    }

    @Test
    void saysThatItsTokenProvesNothing() throws InterruptedException {
        AtomicReference<String> token = new AtomicReference<>("other");
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> {
                    if (!asked.headers().get("authorization").equals("Bearer " + token.get())) {
                        return Told.problem(401, "{\"code\":\"unauthenticated\",\"detail\":\"nobody\",\"hint\":\"ask\"}");
                    }
                    if (isForList(asked)) {
                        return list(ONE, 5, "", "\"a\":" + meta("a", 1, "1"));
                    }
                    return isForEvents(asked) ? events(": beat\n\n") : page(ONE, 5);
                });
                Mirror mirror = Mirror.http(server.url("-/t/mine/diary"), QUIET).start()) {
            await(() -> mirror.error().isPresent(), mirror);
            assertEquals("unauthenticated", mirror.error().orElseThrow().code());
            token.set("mine");
            mirror.awaitReady(SOON);
            assertEquals("1", payload(mirror, "a"));
        }
    }

    @Test
    void saysARefusalByItsCode() throws InterruptedException {
        String problem = "{\"code\":\"namespace-not-found\",\"detail\":\"no such namespace\",\"hint\":\"make it\"}";
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> Told.problem(404, problem));
                Mirror mirror = Mirror.http(server.url("diary"), QUIET).start()) {
            await(() -> mirror.error().isPresent(), mirror);
            assertEquals("namespace-not-found", mirror.error().orElseThrow().code());
            assertEquals("make it", mirror.error().orElseThrow().hint().orElseThrow());
            assertEquals(MirrorState.STARTING, mirror.state());
        }
    }

    @Test
    void keepsWhatItHasAgainstAServerThatIsBehindAndSaysSo() throws InterruptedException {
        List<String> tags = new ArrayList<>();
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> {
                    if (isForList(asked)) {
                        tags.add(asked.headers().getOrDefault("if-none-match", ""));
                        return list(ONE, turn < 3 ? 9 : 4, "", "\"a\":" + meta("a", turn < 3 ? 9 : 4, "x"));
                    }
                    if (turn == 2) {
                        return page(ONE, 9);
                    }
                    return asked.path().contains("since=4") ? page(ONE, 4) : Told.of(410, "gone");
                });
                Mirror mirror = Mirror.http(server.url("diary"), QUIET).start()) {
            await(() -> tags.size() >= 4, mirror);
            assertEquals(9, mirror.revision());
            assertEquals(9, mirror.get("a").version());
            await(() -> mirror.state() == MirrorState.STALE && mirror.error().isPresent(), mirror);
            assertTrue(mirror.error().orElseThrow().getMessage().contains("holds revision 4"), mirror.error().toString());
        }
    }

    @Test
    void followsAnAncestorsListWithItsTag() throws InterruptedException {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> {
                    if (turn == 1) {
                        return list(null, 0, "first", "\"a\":" + meta("a", 2, "2"), "\"b\":" + meta("b", 2, "b"));
                    }
                    return turn < 5
                            ? new Told(304, Map.of("ETag", "\"first\""), new byte[0])
                            : list(null, 0, "second", "\"a\":" + meta("a", 1, "1"), "\"c\":" + meta("c", 1, "c"));
                });
                Mirror mirror = Mirror.http(server.url("diary"), QUIET.withPoll(Duration.ofMillis(20))).awaitReady(SOON)) {
            mirror.waitFor("c", 1, SOON);
            assertEquals("2", payload(mirror, "a"), "no key goes back");
            assertNull(mirror.get("b"));
            assertTrue(mirror.position().isEmpty());
            assertEquals(MirrorState.CURRENT, mirror.state());
            assertEquals("\"first\"", server.asked().get(1).headers().get("if-none-match"));
        }
    }

    @Test
    void readsAListThatCameCompressed() throws InterruptedException {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> {
                    if (!isForList(asked)) {
                        return isForEvents(asked) ? events(": beat\n\n") : page(ONE, 5);
                    }
                    Told plain = list(ONE, 5, "", "\"a\":" + meta("a", 1, "packed"));
                    Map<String, String> headers = new HashMap<>(plain.headers());
                    headers.put("Content-Encoding", "gzip");
                    return new Told(200, headers, packed(plain.body()));
                });
                Mirror mirror = Mirror.http(server.url("diary"), QUIET).awaitReady(SOON)) {
            assertEquals("packed", payload(mirror, "a"));
        }
    }

    private static byte[] packed(byte[] plain) throws IOException {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream zip = new GZIPOutputStream(out)) {
            zip.write(plain);
        }
        return out.toByteArray();
    }

    @Test
    void troubleEndsBeingCurrentUntilTheSecondBeat() throws InterruptedException {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> {
                    if (isForList(asked)) {
                        return list(ONE, 5, "");
                    }
                    return isForEvents(asked) ? events(": unavailable\n\n: beat\n\n") : page(ONE, 5);
                });
                Mirror mirror = Mirror.http(server.url("diary"), QUIET).awaitReady(SOON)) {
            await(() -> mirror.error().map(Throwable::getMessage).orElse("").contains("cannot tell what is new"), mirror);
            assertEquals(MirrorState.STALE, mirror.state());
        }
    }

    @Test
    void reportsWhatItHoldsAndSaysGoodbye() throws InterruptedException {
        ScriptedServer server = new ScriptedServer((asked, turn) -> {
            if (isForList(asked)) {
                return list(ONE, 5, "", "\"a\":" + meta("a", 1, "1"), "\"bad\":{\"key\":\"bad\"}");
            }
            if (asked.path().startsWith("/-/mirrors/")) {
                return Told.of(200, "{}");
            }
            return isForEvents(asked) ? events(": beat\n\n") : page(ONE, 5);
        });
        try (server) {
            Mirror mirror = Mirror.http(server.url("diary")).awaitReady(SOON);
            await(() -> server.asked().stream().anyMatch(one -> one.method().equals("PUT")
                    && new String(one.body(), StandardCharsets.UTF_8).contains("\"revision\":5,")), mirror);
            mirror.close();
            Asked last = server.asked().get(server.asked().size() - 1);
            assertEquals("DELETE", last.method());
            assertTrue(last.path().endsWith("?namespace=diary"), last.path());
            Asked told = server.asked().stream().filter(one -> one.method().equals("PUT")
                    && new String(one.body(), StandardCharsets.UTF_8).contains("\"revision\":5,")).findFirst().orElseThrow();
            String report = new String(told.body(), StandardCharsets.UTF_8);
            assertTrue(report.contains("\"rejected\":{\"bad\":"), report);
            assertTrue(report.contains("\"via\":\"http\",\"state\":\"current\""), report);
            assertFalse(report.contains("\"followers\":[{"), report);
        }
    }
}
