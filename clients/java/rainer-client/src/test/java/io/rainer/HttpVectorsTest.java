package io.rainer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** What is asked over HTTP and made of the answers, against a server that answers as the vectors say. */
class HttpVectorsTest {
    private static final Map<String, String> POSITION =
            Map.of("X-Rainer-Revision", "24", "X-Rainer-Lineage", "11111111-1111-4111-8111-111111111111");

    /** One for all tests: each has threads of its own. */
    private static final HttpClient HTTP =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();

    static RainerClient client(ScriptedServer server, String namespace) {
        return RainerClient.builder(server.url(namespace)).retries(Retries.of(0)).author("me").httpClient(HTTP).build();
    }

    static Map<String, String> headers(JsonNode spelt) {
        Map<String, String> headers = new TreeMap<>();
        spelt.fields().forEachRemaining(one -> {
            byte[] value = one.getValue().isTextual()
                    ? one.getValue().asText().getBytes(StandardCharsets.UTF_8)
                    : Vectors.bytes(one.getValue());
            headers.put(one.getKey(), new String(value, StandardCharsets.ISO_8859_1));
        });
        headers.remove("connection");
        return headers;
    }

    @TestFactory
    Stream<DynamicTest> commits() {
        JsonNode all = Vectors.load("commit_requests");
        return Stream.of(all.get("commits"), all.get("wished")).flatMap(vectors -> Vectors.each(vectors, vector -> {
            JsonNode answer = vector.get("answer");
            ScriptedServer.Told told = new ScriptedServer.Told(
                    answer.get("status").asInt(), headers(answer.get("headers")), Vectors.bytes(answer.get("body")));
            try (ScriptedServer server = new ScriptedServer((asked, turn) -> told);
                    RainerClient client = client(server, "diary")) {
                List<Draft> drafts = new ArrayList<>();
                vector.get("drafts").forEach(draft -> drafts.add(draft(draft)));
                CommitOptions how = CommitOptions.defaults().withCommitId(vector.get("commit_id").asText());
                how = vector.path("wish").path("dry_run").asBoolean() ? how.withDryRun() : how;
                CommitOptions id = vector.path("wish").path("force").asBoolean() ? how.withForce() : how;
                if (isBeyondTheJdk(vector)) {
                    assertThrows(OutcomeUnknownException.class, () -> client.commit(drafts.get(0), id));
                    assertEquals("/-/changesets", server.asked().get(0).path());
                    return;
                }
                List<Commit> granted = vector.get("call").asText().equals("commit")
                        ? List.of(client.commit(drafts.get(0), id))
                        : client.commitMany(drafts, id);
                checkRequest(vector.get("request"), server.asked().get(0));
                checkGranted(vector.get("granted"), drafts, granted);
            }
        }));
    }

    /** The JDK's client writes headers in ASCII: such texts go as a changeset of one, which says the same. */
    private static boolean isBeyondTheJdk(JsonNode vector) {
        return headers(vector.get("request").get("headers")).values().stream()
                .anyMatch(value -> value.chars().anyMatch(c -> c > 0x7e));
    }

    private static void checkRequest(JsonNode expected, ScriptedServer.Asked asked) {
        assertEquals(expected.get("method").asText(), asked.method());
        assertEquals(expected.get("path").asText(), asked.path());
        headers(expected.get("headers")).forEach((name, value) ->
                assertEquals(value, asked.headers().get(name.toLowerCase(java.util.Locale.ROOT)), name));
        Set<String> ours = new TreeSet<>(asked.headers().keySet());
        ours.removeIf(name -> !name.startsWith("x-rainer-"));
        Set<String> theirs = new TreeSet<>();
        expected.get("headers").fieldNames().forEachRemaining(name -> theirs.add(name.toLowerCase(java.util.Locale.ROOT)));
        theirs.removeIf(name -> !name.startsWith("x-rainer-"));
        assertEquals(theirs, ours);
        assertArrayEquals(Vectors.bytes(expected.get("body")), asked.body());
    }

    private static void checkGranted(JsonNode expected, List<Draft> drafts, List<Commit> granted) {
        assertEquals(expected.size(), granted.size());
        for (int i = 0; i < granted.size(); i++) {
            Commit commit = granted.get(i);
            Draft draft = drafts.get(i);
            assertEquals(expected.get(i).get("revision").asLong(-1), commit.revision().orElse(-1));
            assertEquals(Marks.of(expected.get(i).path("marks")), commit.marks());
            assertEquals(Instant.parse(expected.get(i).get("mtime").asText()), commit.mtime());
            assertArrayEquals(draft.payload(), commit.payload());
            assertEquals(draft.payload() == null, commit.isEmpty());
            assertEquals(draft.comment(), commit.comment());
            assertEquals(draft.namespace(), commit.namespace());
        }
    }

    private static Draft draft(JsonNode spelt) {
        return new Draft(
                spelt.get("namespace").asText(),
                spelt.get("key").asText(),
                spelt.get("version").asInt(),
                Vectors.bytes(spelt.get("payload")),
                Vectors.text(spelt.get("author")),
                Vectors.text(spelt.get("comment")),
                spelt.path("mtime").isTextual() ? Instant.parse(spelt.get("mtime").asText()) : null);
    }

    @TestFactory
    Stream<DynamicTest> reads() {
        JsonNode all = Vectors.load("commit_requests");
        return Stream.of(all.get("reads"), all.get("marked")).flatMap(vectors -> Vectors.each(vectors, vector -> {
            ScriptedServer.Script script = (asked, turn) -> turn == 1
                    ? new ScriptedServer.Told(200, headers(vector.get("headers")), Vectors.bytes(vector.get("body")))
                    : new ScriptedServer.Told(200, Map.of(), Vectors.bytes(vector.get("then").get("body")));
            try (ScriptedServer server = new ScriptedServer(script);
                    RainerClient client = client(server, vector.get("namespace").asText())) {
                String key = vector.get("key").asText();
                Commit found = vector.path("version").isInt()
                        ? client.get(key, vector.get("version").asInt())
                        : client.get(key);
                assertSame(List.of(ValueVectorsTest.commit(vector.get("commit"))), List.of(found));
                assertEquals(vector.get("path").asText(), server.asked().get(0).path());
                assertEquals(vector.path("then").isObject() ? 2 : 1, server.asked().size());
                if (vector.path("then").isObject()) {
                    assertEquals(vector.get("then").get("path").asText(), server.asked().get(1).path());
                }
            }
        }));
    }

    @TestFactory
    Stream<DynamicTest> calls() {
        return Vectors.each(Vectors.load("commit_requests").get("calls"), vector -> {
            try (ScriptedServer server = new ScriptedServer((asked, turn) -> ScriptedServer.Told.of(400, "no"));
                    RainerClient client = client(server, "diary")) {
                assertThrows(RainerException.class, () -> call(client, vector.get("call").asText(), vector.get("args")));
                assertEquals(parts(vector.get("path").asText()), parts(server.asked().get(0).path()));
            }
        });
    }

    /** Path and members: their order, and %20 for +, are the client's affair. */
    private static Set<String> parts(String path) {
        return new TreeSet<>(Arrays.asList(path.replace("+", "%20").split("[?&]")));
    }

    private static void call(RainerClient client, String name, JsonNode args) {
        String key = args.path("key").asText();
        switch (name) {
            case "get" -> get(client, key, args);
            case "heads" -> {
                HeadsQuery query = args.path("include_empty").asBoolean() ? HeadsQuery.all() : HeadsQuery.nonEmpty();
                query = args.has("prefix") ? query.prefix(args.get("prefix").asText()) : query;
                query = args.has("at") ? query.at(args.get("at").asLong()) : query;
                client.heads(args.path("payloads").asBoolean(true) ? query : query.withoutPayloads());
            }
            case "log" -> {
                LogQuery query = LogQuery.all();
                query = args.has("limit") ? query.limit(args.get("limit").asInt()) : query;
                client.log(key, args.path("payloads").asBoolean(true) ? query : query.withoutPayloads());
            }
            default -> {
                ChangesQuery query = new ChangesQuery(
                        args.path("since").asLong(), args.path("lineage").asText(null), args.path("chain").asText(null),
                        args.path("limit").asInt(Limits.FEED_PAGE_DEFAULT),
                        Duration.ofSeconds(args.path("wait_s").asLong()), args.path("payloads").asBoolean());
                client.changes(query);
            }
        }
    }

    private static void get(RainerClient client, String key, JsonNode args) {
        if (args.has("at")) {
            client.getAt(key, args.get("at").asLong());
        } else if (args.has("version")) {
            client.get(key, args.get("version").asInt());
        } else {
            client.get(key);
        }
    }

    @TestFactory
    Stream<DynamicTest> pages() {
        JsonNode pages = Vectors.load("changes_pages").get("pages");
        Stream<DynamicTest> read = answered(pages.get("read"), POSITION, (client, vector) -> {
            Changes changes = client.changes(0);
            JsonNode page = vector.get("page");
            Position position = new Position(
                    page.get("lineage").asText(), page.get("revision").asLong(), page.get("chain").asText());
            assertEquals(position, changes.position());
            assertEquals(page.get("more").asBoolean(), changes.more());
            assertSame(commits(page.get("commits")), changes.commits());
        });
        Stream<DynamicTest> broken = answered(pages.get("broken"), POSITION, (client, vector) ->
                assertThrows(InvalidException.class, () -> client.changes(0)));
        Stream<DynamicTest> rejected = answered(pages.get("rejected"), POSITION, (client, vector) -> {
            if (vector.get("client").asText().equals("refuses")) {
                assertThrows(InvalidException.class, () -> client.changes(0));
            } else {
                assertEquals(0, client.changes(0).commits().get(0).payloadLength());
            }
        });
        return Stream.of(read, broken, rejected).flatMap(tests -> tests);
    }

    @TestFactory
    Stream<DynamicTest> lists() {
        JsonNode lists = Vectors.load("changes_pages").get("lists");
        List<JsonNode> ancestors = new ArrayList<>();
        List<JsonNode> servers = new ArrayList<>();
        lists.get("read").forEach(one -> (one.get("by").asText().equals("ancestor") ? ancestors : servers).add(one));
        Reading read = (client, vector) ->
                assertSame(commits(vector.get("commits")), List.copyOf(client.heads().values()));
        ObjectMapper json = new ObjectMapper();
        return Stream.of(
                        answered(json.valueToTree(servers), POSITION, read),
                        answered(json.valueToTree(ancestors), Map.of(), read),
                        answered(lists.get("broken"), POSITION, (client, vector) ->
                                assertThrows(InvalidException.class, client::heads)))
                .flatMap(tests -> tests);
    }

    @TestFactory
    Stream<DynamicTest> logs() {
        return answered(Vectors.load("changes_pages").get("logs"), POSITION, (client, vector) -> {
            List<Commit> expected = commits(vector.get("commits"));
            assertSame(expected, client.log("hey", LogQuery.all().limit(expected.size())));
        });
    }

    /** Equal, also in their marks, for which equality does not ask. */
    static void assertSame(List<Commit> expected, List<Commit> found) {
        assertEquals(expected, found);
        assertEquals(expected.stream().map(Commit::marks).toList(), found.stream().map(Commit::marks).toList());
    }

    private interface Reading {
        void run(RainerClient client, JsonNode vector);
    }

    private static Stream<DynamicTest> answered(JsonNode vectors, Map<String, String> headers, Reading reading) {
        return Vectors.each(vectors, vector -> {
            ScriptedServer.Told told = new ScriptedServer.Told(200, headers, Vectors.bytes(vector.get("body")));
            try (ScriptedServer server = new ScriptedServer((asked, turn) -> told);
                    RainerClient client = client(server, vector.path("namespace").asText("diary"))) {
                reading.run(client, vector);
            }
        });
    }

    private static List<Commit> commits(JsonNode spelt) {
        List<Commit> commits = new ArrayList<>();
        spelt.forEach(one -> commits.add(ValueVectorsTest.commit(one)));
        return commits;
    }
}
