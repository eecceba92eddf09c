package io.rainer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.rainer.ScriptedServer.Told;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What is sent again, what is not, and what is said in the end. */
@Timeout(30)
class RepetitionTest {
    private static final Retries FAST = new Retries(3, Duration.ofMillis(1), Duration.ofMillis(2));
    private static final Draft DRAFT = Draft.of("hey", 2, "two").withComment("why");
    private static final Told GRANTED = new Told(
            200,
            Map.of("X-Rainer-Commit-Revision", "7", "X-Rainer-Revision", "7"),
            Told.of(200, meta("hey", 2)).body());
    private static final Told CONFLICT =
            Told.of(409, "{\"conflict\":{\"key\":\"hey\",\"expectedVersion\":3,\"providedVersion\":2}}");

    private static String meta(String key, int version) {
        return "{\"key\":\"" + key + "\",\"version\":" + version + ",\"author\":\"me\",\"comment\":\"why\","
                + "\"mtime\":\"2026-01-31T12:34:56.789Z\",\"empty\":false}";
    }

    private static Told stored(String payload) {
        Map<String, String> headers = Map.of(
                "X-Rainer-Version", "2", "X-Rainer-Author", "me", "X-Rainer-Comment", "why",
                "X-Rainer-Modified-Time", "2026-01-31T12:34:56.789Z", "X-Rainer-Empty", "No");
        return new Told(200, headers, Told.of(200, payload).body());
    }

    private static RainerClientBuilder to(ScriptedServer server) {
        return RainerClient.builder(server.url("diary")).author("me").retries(FAST);
    }

    /** A server that counts what arrives, and says nothing before the end. */
    private static ScriptedServer silent(CountDownLatch arrived, CountDownLatch end) {
        return new ScriptedServer((asked, turn) -> {
            arrived.countDown();
            end.await();
            return null;
        });
    }

    private static Set<String> ids(ScriptedServer server) {
        return server.asked().stream()
                .filter(asked -> asked.method().equals("POST"))
                .map(asked -> asked.headers().get("x-rainer-commit-id"))
                .collect(Collectors.toSet());
    }

    @Test
    void aReadIsRepeatedWhileTheServerIsBusyOrSilent() {
        Told busy = Told.problem(503, "{\"code\":\"overloaded\",\"detail\":\"full\",\"retry_after_s\":0}");
        List<Told> script = new java.util.ArrayList<>(List.of(busy, Told.of(502, ""), stored("two")));
        script.add(1, null);
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> script.get(turn - 1));
                RainerClient client = to(server).build()) {
            assertEquals("two", client.get("hey").payloadText());
            assertEquals(4, server.asked().size());
        }
    }

    @Test
    void whatIsRefusedForGoodIsAskedOnce() {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> Told.of(404, "Key not found"));
                RainerClient client = to(server).build()) {
            assertThrows(NotFoundException.class, () -> client.get("hey"));
            assertTrue(client.find("hey").isEmpty());
            assertEquals(2, server.asked().size());
        }
    }

    @Test
    void theServerIsWaitedForAsLongAsItAsksAndNoLongerThanTheCallMayTake() {
        Told busy = Told.problem(503, "{\"code\":\"overloaded\",\"detail\":\"full\",\"retry_after_s\":60}");
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> busy);
                RainerClient client = to(server).timeout(Duration.ofSeconds(20)).build()) {
            OverloadedException error = assertThrows(OverloadedException.class, () -> client.get("hey"));
            assertEquals(Duration.ofSeconds(60), error.retryAfter());
            assertEquals(1, server.asked().size());
        }
    }

    @Test
    void aLostAnswerIsAskedForAgainUnderTheSameId() {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> turn < 3 ? null : GRANTED);
                RainerClient client = to(server).build()) {
            assertEquals(7, client.commit(DRAFT).revision().getAsLong());
            assertEquals(3, server.asked().size());
            assertEquals(1, ids(server).size());
            client.commit(DRAFT);
            assertEquals(2, ids(server).size());
        }
    }

    @Test
    void aRefusalAfterALostAnswerIsLookedInto() {
        try (ScriptedServer server = new ScriptedServer((asked, turn) ->
                        asked.method().equals("GET") ? stored("two") : turn == 1 ? null : CONFLICT);
                RainerClient client = to(server).build()) {
            assertEquals("two", client.commit(DRAFT).payloadText());
        }
        for (Told found : List.of(stored("other"), Told.of(404, "Key not found"))) {
            try (ScriptedServer server = new ScriptedServer((asked, turn) ->
                            asked.method().equals("GET") ? found : turn == 1 ? null : CONFLICT);
                    RainerClient client = to(server).build()) {
                VersionConflictException error =
                        assertThrows(VersionConflictException.class, () -> client.commit(DRAFT));
                assertEquals(List.of(new KeyConflict("diary", "hey", 3, 2)), error.conflicts());
                assertEquals("version-conflict", error.code());
            }
        }
    }

    @Test
    void aRefusalOfTheFirstAttemptIsBelieved() {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> CONFLICT);
                RainerClient client = to(server).build()) {
            VersionConflictException error = assertThrows(VersionConflictException.class, () -> client.commit(DRAFT));
            assertEquals(3, error.expected());
            assertEquals(2, error.provided());
            assertEquals(1, server.asked().size());
        }
    }

    @Test
    void whatNobodyAnswersIsUnknownAndSaysItsId() {
        Told foreign = Told.of(200, "<html>welcome</html>");
        for (Told told : new Told[] {null, Told.of(504, "late"), foreign}) {
            try (ScriptedServer server = new ScriptedServer((asked, turn) ->
                            asked.method().equals("GET") ? Told.of(404, "Key not found") : told);
                    RainerClient client = to(server).build()) {
                OutcomeUnknownException error =
                        assertThrows(OutcomeUnknownException.class, () -> client.commit(DRAFT, "my-id"));
                assertEquals("my-id", error.commitId().orElseThrow());
                assertEquals(2, error.details().get("version"));
                assertEquals(5, server.asked().size(), "four attempts and a look");
                assertEquals(Set.of("my-id"), ids(server));
            }
        }
    }

    @Test
    void aLostChangesetIsFoundWhereAllOfItStands() {
        try (ScriptedServer server =
                        new ScriptedServer((asked, turn) -> asked.method().equals("GET") ? stored("two") : null);
                RainerClient client = to(server).build()) {
            Draft other = Draft.of("other", 2, "two").withComment("why");
            assertEquals(2, client.commitMany(List.of(DRAFT, other)).size());
            assertThrows(
                    OutcomeUnknownException.class,
                    () -> client.commitMany(List.of(DRAFT, other.withComment("another"))));
        }
    }

    @Test
    void aServerThatIsNotThereHasDoneNothing() {
        String url;
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> null)) {
            url = server.url("diary");
        }
        try (RainerClient client = RainerClient.builder(url).author("me").retries(FAST).build()) {
            UnavailableException error = assertThrows(UnavailableException.class, () -> client.commit(DRAFT));
            assertTrue(error.retryable());
            assertEquals("is the server running, and the URL right?", error.hint().orElseThrow());
        }
    }

    @Test
    void anAnswerThatBreaksOffIsNone() {
        Told whole = stored("two");
        Told cut = new Told(200, whole.headers(), Told.of(200, "tw").body(), 1);
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> turn < 3 ? cut : whole);
                RainerClient client = to(server).build()) {
            assertEquals("two", client.get("hey").payloadText());
        }
        Told half = new Told(200, GRANTED.headers(), GRANTED.body(), 9);
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> turn < 3 ? half : GRANTED);
                RainerClient client = to(server).build()) {
            assertEquals(7, client.commit(DRAFT).revision().getAsLong());
            assertEquals(1, ids(server).size());
        }
    }

    @Test
    void silenceIsBounded() {
        CountDownLatch end = new CountDownLatch(1);
        try (ScriptedServer server = silent(new CountDownLatch(1), end);
                RainerClient client = to(server).answerTimeout(Duration.ofMillis(50)).build()) {
            UnavailableException error = assertThrows(UnavailableException.class, () -> client.get("hey"));
            assertTrue(error.getMessage().endsWith("gave no answer: no answer within the time allowed"));
            end.countDown();
        }
    }

    @Test
    void anInterruptEndsTheWaitAndStays() throws Exception {
        CountDownLatch arrived = new CountDownLatch(2);
        CountDownLatch end = new CountDownLatch(1);
        try (ScriptedServer server = silent(arrived, end);
                RainerClient client = to(server).build()) {
            List<Runnable> calls = List.of(() -> client.get("hey"), () -> client.commit(DRAFT));
            List<Class<?>> expected = List.of(UnavailableException.class, OutcomeUnknownException.class);
            ExecutorService pool = Executors.newFixedThreadPool(2);
            List<CompletableFuture<Throwable>> thrown = calls.stream()
                    .map(call -> CompletableFuture.supplyAsync(
                            () -> {
                                Throwable error = assertThrows(RainerException.class, call::run);
                                assertTrue(Thread.currentThread().isInterrupted());
                                return error;
                            },
                            pool))
                    .toList();
            arrived.await();
            pool.shutdownNow();
            for (int i = 0; i < 2; i++) {
                assertSame(expected.get(i), thrown.get(i).get().getClass());
            }
            end.countDown();
        }
    }

    @Test
    void aCancelledFutureSendsNothingMore() throws Exception {
        CountDownLatch arrived = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        try (ScriptedServer server = silent(arrived, end);
                RainerClient client = to(server).build()) {
            CompletableFuture<Commit> sent = client.async().commit(DRAFT);
            arrived.await();
            sent.cancel(true);
            assertTrue(sent.isCancelled());
            end.countDown();
            assertThrows(UnavailableException.class, () -> client.get("hey"));
            assertEquals(1, server.asked().stream().filter(asked -> asked.method().equals("POST")).count());
        }
    }

    @Test
    void futuresFailWithTheSameErrorsAndGoOnWhereTheyAreTold() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(2, work -> new Thread(work, "ours"));
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> turn == 1 ? GRANTED : CONFLICT);
                RainerClient client = to(server).executor(pool).build()) {
            CompletableFuture<String> where = new CompletableFuture<>();
            client.async().commit(DRAFT).thenAccept(made -> where.complete(Thread.currentThread().getName())).get();
            assertTrue(Set.of("ours", Thread.currentThread().getName()).contains(where.get()));
            ExecutionException failed =
                    assertThrows(ExecutionException.class, () -> client.async().commit(DRAFT).get());
            assertInstanceOf(VersionConflictException.class, failed.getCause());
        }
        pool.shutdown();
        assertTrue(pool.awaitTermination(10, TimeUnit.SECONDS));
    }
}
