package io.rainer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.rainer.ScriptedServer.Told;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Addresses, bounds and logins; and values that nobody can change afterwards. */
class SetUpTest {
    @ParameterizedTest
    @CsvSource({
        "http://localhost:8080/diary, http://localhost:8080, diary",
        "https://h/a/b%2Fc/prices-eu/, https://h/a/b%2Fc, prices-eu",
        "http://[::1]:80/x, http://[::1]:80, x",
    })
    void anAddressIsAServerAndANamespace(String url, String root, String namespace) {
        Address address = Address.parse(url);
        assertEquals(root, address.root());
        assertEquals(namespace, address.namespace());
        assertEquals(root + "/prices", address.inNamespace("prices").base());
    }

    @ParameterizedTest
    @ValueSource(strings = {
        "", "localhost:8080/diary", "ftp://h/diary", "http://h", "http://h/", "http:///diary", "http://h/diary?a=b",
        "http://h/diary#x", "http://h:0/diary", "http://h:70000/diary", "http://h:x/diary", "http://h/Diary",
        "http://a b/diary", "http://h/%zz", "/diary",
    })
    void whatIsNoAddressIsRefused(String url) {
        InvalidException error = assertThrows(InvalidException.class, () -> RainerClient.of(url));
        assertTrue(error.hint().isPresent());
    }

    @Test
    void aPasswordIsSentAndNeverShown() {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> Told.of(404, "Key not found"))) {
            String url = server.url("diary").replace("//", "//me:p%40ss@");
            try (RainerClient client = RainerClient.of(url)) {
                NotFoundException error = assertThrows(NotFoundException.class, () -> client.get("hey"));
                assertFalse((error.getMessage() + client + client.address()).contains("p@ss"));
                assertEquals("Basic bWU6cEBzcw==", server.asked().get(0).headers().get("authorization"));
            }
            String plain = server.url("diary");
            try (RainerClient client = RainerClient.builder(plain).token("t-1").header("X-Team", "a").build()) {
                assertThrows(NotFoundException.class, () -> client.inNamespace("prices").get("hey"));
                assertEquals("Bearer t-1", server.asked().get(1).headers().get("authorization"));
                assertEquals("a", server.asked().get(1).headers().get("x-team"));
                assertEquals("/prices/hey", server.asked().get(1).path());
            }
        }
        InvalidException error = assertThrows(InvalidException.class, () -> Address.parse("http://me:secret@h/A"));
        assertFalse(error.getMessage().contains("secret"));
        error = assertThrows(InvalidException.class, () -> Address.parse("ftp://me:secret@h/a"));
        assertFalse(error.getMessage().contains("secret"));
    }

    @Test
    void aTokenIsSentAndNeverShown() {
        String token = "rnr_abcdefgh_0123456789012345678901234567890123456789_-A";
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> Told.of(404, "Key not found"))) {
            String url = server.url("-/t/" + token.replace("_", "%5F") + "/diary");
            try (RainerClient client = RainerClient.of(url)) {
                NotFoundException error = assertThrows(NotFoundException.class, () -> client.get("hey"));
                assertFalse((error.getMessage() + client + client.async() + client.address()).contains(token));
                assertEquals("/diary/hey", server.asked().get(0).path());
                assertEquals("Bearer " + token, server.asked().get(0).headers().get("authorization"));
            }
            try (RainerClient client = RainerClient.builder(url).token("eyJ.of.another").build()) {
                assertThrows(NotFoundException.class, () -> client.get("hey"));
                assertEquals("Bearer eyJ.of.another", server.asked().get(1).headers().get("authorization"));
            }
        }
        RainerClientBuilder builder = RainerClient.builder("http://me:secret@h/diary");
        for (String wrong : new String[] {"t", "two words", "", "line\n", "ключ"}) {
            InvalidException error = assertThrows(InvalidException.class, () -> builder.token(wrong));
            assertFalse(error.getMessage().contains("secret") || error.getMessage().contains("two words"));
        }
        for (String wrong : new String[] {"ftp://h/-/t/" + token + "/diary", "http://h/-/t/" + token + "/diary?x=" + token}) {
            InvalidException error = assertThrows(InvalidException.class, () -> RainerClient.of(wrong));
            assertFalse(error.getMessage().contains(token.substring(13)), error.getMessage());
        }
    }

    @Test
    void whoIsAskedOnceAndNotWithoutNeed() {
        String commit = "{\"key\":\"k\",\"version\":1,\"author\":\"ann\",\"comment\":\"\",\"mtime\":\"2026-01-31T12:34:56.789Z\"}";
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> Told.of(
                200, asked.path().equals("/-/whoami") ? "{\"name\":\"ann\",\"source\":\"token\"}" : commit))) {
            try (RainerClient client = RainerClient.builder(server.url("diary")).token("t").build()) {
                client.commit(Draft.of("k", 1, "x").withAuthor("bob"));
                client.commit(Draft.of("k", 1, "x"));
                client.inNamespace("prices").commit(Draft.of("k", 1, "x"));
                assertEquals("ann", client.ownName().orElseThrow());
            }
            try (RainerClient client = RainerClient.of(server.url("diary"))) {
                assertThrows(InvalidException.class, () -> client.commit(Draft.of("k", 1, "x")));
                assertTrue(client.ownName().isEmpty());
            }
            assertEquals(
                    List.of("bob", "?", "ann", "ann"),
                    server.asked().stream().map(one -> one.headers().getOrDefault("x-rainer-author", "?")).toList());
        }
        for (Told nobody : new Told[] {Told.of(200, "{\"name\":\"\",\"source\":\"open\"}"), Told.of(404, "no")}) {
            try (ScriptedServer server = new ScriptedServer((asked, turn) -> nobody);
                    RainerClient client = RainerClient.builder(server.url("diary")).token("t").build()) {
                assertThrows(InvalidException.class, () -> client.commit(Draft.of("k", 1, "x")));
                assertEquals(1, server.asked().size());
            }
        }
    }

    @Test
    void boundsAreChecked() {
        RainerClientBuilder builder = RainerClient.builder("http://h/diary");
        assertThrows(InvalidException.class, () -> builder.timeout(Duration.ZERO));
        assertThrows(InvalidException.class, () -> builder.connectTimeout(Duration.ofMillis(-1)));
        assertThrows(InvalidException.class, () -> builder.author("a\nb"));
        assertThrows(InvalidException.class, () -> builder.header("Host", "x"));
        assertThrows(InvalidException.class, () -> builder.header("a b", "x"));
        assertThrows(InvalidException.class, () -> Retries.of(-1));
        assertThrows(InvalidException.class, () -> LogQuery.all().limit(-1));
    }

    @Test
    void callsOfOnesOwnHaveTheSameErrors() throws Exception {
        Told told = Told.problem(403, "{\"code\":\"denied\",\"detail\":\"not you\"}");
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> told);
                RainerClient client = RainerClient.builder(server.url("diary")).token("t").build()) {
            HttpResponse<byte[]> response = client.httpClient()
                    .send(client.request("/-/status").GET().build(), HttpResponse.BodyHandlers.ofByteArray());
            assertEquals("not you", client.errorOf(response, "the status").getMessage());
            assertEquals("Bearer t", server.asked().get(0).headers().get("authorization"));
        }
    }

    @Test
    void commitsAndDraftsKeepTheirBytes() {
        byte[] bytes = {1, 2};
        Commit commit = new Commit(
                "diary", "k", 1, OptionalLong.empty(), bytes, false, "me", "", Instant.EPOCH);
        Draft draft = Draft.of("k", 1, bytes);
        bytes[0] = 9;
        commit.payload()[0] = 9;
        draft.payload()[0] = 9;
        assertThrows(java.nio.ReadOnlyBufferException.class, () -> commit.payloadBuffer().put((byte) 9));
        assertArrayEquals(new byte[] {1, 2}, commit.payload());
        assertArrayEquals(new byte[] {1, 2}, draft.payload());
        assertEquals(draft, Draft.of("k", 1, new byte[] {1, 2}));
        assertEquals(draft.hashCode(), Draft.of("k", 1, new byte[] {1, 2}).hashCode());
        assertNull(Draft.removal("k", 2).payload());
        assertThrows(InvalidException.class, () ->
                new Commit("diary", "k", 1, OptionalLong.empty(), bytes, true, "me", "", Instant.EPOCH));
        assertEquals(Instant.ofEpochMilli(1), draft.withMtime(Instant.ofEpochSecond(0, 1_999_999)).mtime());
    }
}
