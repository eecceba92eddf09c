package io.rainer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.rainer.ScriptedServer.Told;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Answers that no Rainer server gives, and programs that leave a client little room: bounded and told as what they are. */
@Timeout(30)
class OddAnswersTest {
    private static final Draft DRAFT = Draft.of("hey", 2, "two").withComment("why");

    private static RainerClientBuilder to(ScriptedServer server) {
        return RainerClient.builder(server.url("diary"))
                .author("me")
                .retries(new Retries(2, Duration.ofMillis(1), Duration.ofMillis(2)));
    }

    private static Map<String, String> headers() {
        return new HashMap<>(Map.of(
                "X-Rainer-Version", "2", "X-Rainer-Author", "me", "X-Rainer-Comment", "why", "X-Rainer-Revision", "7",
                "X-Rainer-Modified-Time", "2026-01-31T12:34:56.789Z", "X-Rainer-Empty", "No"));
    }

    private static Told stored(String payload) {
        return new Told(200, headers(), payload.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void aWaitOfMillenniaIsNotBegun() {
        Told[] answers = {
            new Told(503, Map.of("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"), new byte[0]),
            Told.problem(503, "{\"code\":\"overloaded\",\"detail\":\"full\",\"retry_after_s\":99999999999999999999}"),
            Told.problem(503, "{\"code\":\"overloaded\",\"detail\":\"full\",\"retry_after_s\":9000000000000000000}"),
        };
        for (Told told : answers) {
            try (ScriptedServer server = new ScriptedServer((asked, turn) -> told);
                    RainerClient client = to(server).build()) {
                assertThrows(OverloadedException.class, () -> client.get("hey"));
                assertEquals(1, server.asked().size());
                RainerException error = assertThrows(RainerException.class, () -> client.commit(DRAFT));
                // A 503 that does not say so itself may be a proxy's, behind which the commit goes on.
                assertEquals(told == answers[0] ? "outcome-unknown" : "overloaded", error.code());
            }
        }
    }

    @Test
    void forEverIsATimeout() {
        Duration forEver = ChronoUnit.FOREVER.getDuration();
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> stored("two"));
                RainerClient client = to(server).timeout(forEver).answerTimeout(forEver).connectTimeout(forEver).build()) {
            assertEquals("two", client.get("hey").payloadText());
        }
    }

    @Test
    void aGrantThatIsNotRainersIsNoRefusal() {
        for (int status : new int[] {201, 202, 204}) {
            try (ScriptedServer server = new ScriptedServer((asked, turn) ->
                            asked.method().equals("GET") ? Told.of(404, "Key not found") : Told.of(status, ""));
                    RainerClient client = to(server).build()) {
                assertThrows(OutcomeUnknownException.class, () -> client.commit(DRAFT));
            }
        }
    }

    @Test
    void whatIsCancelledInAPauseIsNotSentAgain() throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        Told busy = Told.problem(503, "{\"code\":\"overloaded\",\"detail\":\"full\",\"retry_after_s\":1}");
        try (ScriptedServer server = new ScriptedServer((request, turn) -> {
                    asked.countDown();
                    return busy;
                });
                RainerClient client = to(server).build()) {
            CompletableFuture<Commit> sent = client.async().commit(DRAFT);
            asked.await();
            Thread.sleep(200); // until the answer is there, and the pause has begun
            sent.cancel(true);
            Thread.sleep(1_300);
            assertEquals(1, server.asked().size());
        }
    }

    @Test
    void aCommonPoolThatIsBlockedDelaysNothing() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        int threads = ForkJoinPool.commonPool().getParallelism();
        CompletableFuture<?>[] blocked = new CompletableFuture<?>[threads];
        for (int i = 0; i < threads; i++) {
            blocked[i] = CompletableFuture.runAsync(
                    () -> {
                        try {
                            end.await();
                        } catch (InterruptedException e) {
                            Thread.currentThread().interrupt();
                        }
                    },
                    ForkJoinPool.commonPool());
        }
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> turn == 1 ? null : stored("two"));
                RainerClient client = to(server).build()) {
            assertEquals("two", client.async().get("hey").get(10, TimeUnit.SECONDS).payloadText());
        } finally {
            end.countDown();
        }
        CompletableFuture.allOf(blocked).get();
    }

    @Test
    void aPasswordIsNotShownWhateverElseIsWrong() {
        for (String url : new String[] {"http://me:s3cret/x@host/diary", "http://me:s3cret@host:99999/diary", "me:s3cret@h"}) {
            InvalidException error = assertThrows(InvalidException.class, () -> RainerClient.of(url));
            assertFalse(error.getMessage().contains("s3cret"), error.getMessage());
        }
    }

    @Test
    void whatAProxyPacksUnaskedIsNoPayload() throws IOException {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(packed)) {
            out.write("two".getBytes(StandardCharsets.UTF_8));
        }
        Map<String, String> headers = headers();
        headers.put("Content-Encoding", "gzip");
        Told told = new Told(200, headers, packed.toByteArray());
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> told);
                RainerClient client = to(server).build()) {
            InvalidException error = assertThrows(InvalidException.class, () -> client.get("hey"));
            assertTrue(error.getMessage().contains("gzip"), error.getMessage());
            assertEquals("identity", server.asked().get(0).headers().get("accept-encoding"));
        }
    }

    /** A server that sends an answer in pieces, and after each waits so long; all but its last connection stop after the first. */
    private static CompletableFuture<Void> dripping(ServerSocket server, int connections, long pauseMs, String... pieces) {
        return CompletableFuture.runAsync(() -> {
            String body = String.join("", pieces);
            for (int turn = 1; turn <= connections; turn++) {
                try (Socket line = server.accept()) {
                    line.setSoTimeout(10_000);
                    line.setTcpNoDelay(true);
                    BufferedReader request = new BufferedReader(new InputStreamReader(line.getInputStream()));
                    while (!request.readLine().isEmpty()) {
                        continue; // to the empty line
                    }
                    StringBuilder head = new StringBuilder("HTTP/1.1 200 OK\r\nContent-Length: " + body.length() + "\r\n");
                    headers().forEach((name, value) -> head.append(name).append(": ").append(value).append("\r\n"));
                    line.getOutputStream().write(head.append("\r\n").toString().getBytes(StandardCharsets.US_ASCII));
                    boolean isLast = turn == connections;
                    for (String piece : isLast ? pieces : new String[] {pieces[0]}) {
                        line.getOutputStream().write(piece.getBytes(StandardCharsets.US_ASCII));
                        line.getOutputStream().flush();
                        Thread.sleep(isLast ? pauseMs : 0);
                    }
                    while (!isLast && request.read() >= 0) {
                        continue; // until the client gives it up
                    }
                } catch (IOException | InterruptedException e) {
                    throw new AssertionError(e);
                }
            }
        }, work -> new Thread(work, "dripping").start());
    }

    @Test
    void aSilenceInTheMiddleOfAnAnswerEndsTheAttempt() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
                RainerClient client = RainerClient.builder("http://127.0.0.1:" + server.getLocalPort() + "/diary")
                        .answerTimeout(Duration.ofMillis(400))
                        .retries(new Retries(1, Duration.ofMillis(1), Duration.ofMillis(2)))
                        .build()) {
            CompletableFuture<Void> served = dripping(server, 2, 0, "o", "ne");
            assertEquals("one", client.get("hey").payloadText());
            served.get(10, TimeUnit.SECONDS); // the first connection was closed by the client
        }
    }

    @Test
    void anAnswerThatComesSlowlyIsWaitedFor() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
                RainerClient client = RainerClient.builder("http://127.0.0.1:" + server.getLocalPort() + "/diary")
                        .answerTimeout(Duration.ofMillis(1_000))
                        .retries(Retries.of(0))
                        .build()) {
            CompletableFuture<Void> served = dripping(server, 1, 300, "s", "l", "o", "w", "l", "y");
            assertEquals("slowly", client.get("hey").payloadText());
            served.get(10, TimeUnit.SECONDS);
        }
    }
}
