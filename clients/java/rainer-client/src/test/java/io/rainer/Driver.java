package io.rainer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Does what another program says, so that one JVM serves many tests: a JSON object a line on stdin, its outcome a line
 * on stdout.
 *
 * <p>{@code {"call": "get", "url": "http://…/diary", "key": "hey"}} is answered by {@code {"value": …}} or {@code
 * {"error": {"code": …}}}. It ends when stdin does.
 */
public final class Driver {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<String, RainerClient> clients = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        Driver driver = new Driver();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            out.println(JSON.writeValueAsString(driver.answer(JSON.readTree(line))));
        }
    }

    private ObjectNode answer(JsonNode asked) {
        try {
            return JSON.createObjectNode().set("value", JSON.valueToTree(value(asked)));
        } catch (RainerException e) {
            return JSON.createObjectNode().set("error", error(e));
        } catch (Exception e) {
            return JSON.createObjectNode().put("failure", e.toString());
        }
    }

    private Object value(JsonNode asked) throws Exception {
        String call = asked.get("call").asText();
        return switch (call) {
            case "codes" -> Problems.codes();
            case "bytes" -> bytes(asked.get("commits"));
            case "snippet" -> Snippets.run(asked.get("name").asText(), asked.get("url").asText());
            case "tried" -> Snippets.tried(asked.get("url").asText(), asked.get("token").asText());
            default -> call(client(asked), call, asked);
        };
    }

    private RainerClient client(JsonNode asked) {
        String name = asked.get("url").asText() + asked.path("timeout_s") + asked.path("retries") + asked.path("author")
                + asked.path("token");
        return clients.computeIfAbsent(name, unknown -> {
            RainerClientBuilder builder = RainerClient.builder(asked.get("url").asText());
            double seconds = asked.path("timeout_s").asDouble(30);
            builder.timeout(Duration.ofMillis((long) (seconds * 1000)));
            builder.answerTimeout(Duration.ofMillis((long) (asked.path("answer_s").asDouble(15) * 1000)));
            builder.retries(Retries.of(asked.path("retries").asInt(5)));
            if (asked.has("author")) {
                builder.author(asked.get("author").asText());
            }
            if (asked.has("token")) {
                builder.token(asked.get("token").asText());
            }
            return builder.build();
        });
    }

    private static Object call(RainerClient client, String call, JsonNode asked) throws Exception {
        String key = asked.path("key").asText();
        boolean isAsync = asked.path("async").asBoolean();
        return switch (call) {
            case "get" -> commit(asked.has("version") ? client.get(key, asked.get("version").asInt()) : client.get(key));
            case "get_at" -> commit(client.getAt(key, asked.get("at").asLong()));
            case "find" -> client.find(key).map(Driver::commit).orElse(null);
            case "heads" -> commits(client.heads(heads(asked)).values());
            case "count_heads" -> client.streamHeads(heads(asked)).count();
            case "log" -> commits(isAsync ? client.async().log(key).get() : client.log(key, log(asked)));
            case "commit" -> commit(
                    isAsync
                            ? client.async().commit(draft(asked.get("draft")), options(asked)).get()
                            : client.commit(draft(asked.get("draft")), options(asked)));
            case "commit_many" -> commits(client.commitMany(drafts(asked.get("drafts")), options(asked)));
            case "own_name" -> client.ownName().orElse(null);
            case "changes" -> changes(client, asked);
            default -> throw new IllegalArgumentException("no call " + call);
        };
    }

    private static CommitOptions options(JsonNode asked) {
        CommitOptions how = CommitOptions.defaults();
        how = asked.has("commit_id") ? how.withCommitId(asked.get("commit_id").asText()) : how;
        how = asked.path("dry_run").asBoolean() ? how.withDryRun() : how;
        return asked.path("force").asBoolean() ? how.withForce() : how;
    }

    private static HeadsQuery heads(JsonNode asked) {
        HeadsQuery query = asked.path("include_empty").asBoolean() ? HeadsQuery.all() : HeadsQuery.nonEmpty();
        query = asked.has("prefix") ? query.prefix(asked.get("prefix").asText()) : query;
        query = asked.has("at") ? query.at(asked.get("at").asLong()) : query;
        return asked.path("payloads").asBoolean(true) ? query : query.withoutPayloads();
    }

    private static LogQuery log(JsonNode asked) {
        LogQuery query = LogQuery.all();
        query = asked.has("limit") ? query.limit(asked.get("limit").asInt()) : query;
        return asked.has("before") ? query.before(asked.get("before").asInt()) : query;
    }

    private static ObjectNode changes(RainerClient client, JsonNode asked) {
        ChangesQuery query = asked.has("position")
                ? ChangesQuery.after(Position.parse(asked.get("position").asText()))
                : ChangesQuery.since(asked.path("since").asLong());
        query = query.waiting(Duration.ofSeconds(asked.path("wait_s").asLong()));
        Changes changes = client.changes(query.limit(asked.path("limit").asInt(Limits.FEED_PAGE_DEFAULT)));
        ObjectNode out = JSON.createObjectNode();
        out.put("position", changes.position().toString()).put("more", changes.more());
        out.set("commits", commits(changes.commits()));
        return out;
    }

    private static List<Draft> drafts(JsonNode spelt) {
        List<Draft> drafts = new ArrayList<>();
        spelt.forEach(one -> drafts.add(draft(one)));
        return drafts;
    }

    private static Draft draft(JsonNode spelt) {
        JsonNode payload = spelt.path("payload");
        return new Draft(
                spelt.path("namespace").asText(null),
                spelt.get("key").asText(),
                spelt.get("version").asInt(),
                payload.isTextual() ? Base64.getDecoder().decode(payload.asText()) : null,
                spelt.path("author").asText(null),
                spelt.path("comment").asText(""),
                spelt.has("mtime") ? Instant.parse(spelt.get("mtime").asText()) : null);
    }

    /** Commits from the ancestor's bytes, and written again. */
    private static List<String> bytes(JsonNode commits) {
        List<String> out = new ArrayList<>();
        commits.forEach(one -> {
            Commit commit = CommitSerialization.fromBytes(Base64.getDecoder().decode(one.asText()), "diary");
            out.add(Base64.getEncoder().encodeToString(CommitSerialization.toBytes(commit)));
        });
        return out;
    }

    private static ArrayNode commits(Collection<Commit> commits) {
        ArrayNode out = JSON.createArrayNode();
        commits.forEach(commit -> out.add(commit(commit)));
        return out;
    }

    private static ObjectNode commit(Commit commit) {
        ObjectNode out = JSON.createObjectNode()
                .put("namespace", commit.namespace())
                .put("key", commit.key())
                .put("version", commit.version())
                .put("empty", commit.isEmpty())
                .put("author", commit.author())
                .put("comment", commit.comment())
                .put("mtime", Times.format(commit.mtime()));
        commit.revision().ifPresent(revision -> out.put("revision", revision));
        commit.marks().ifPresent(marks -> {
            ObjectNode told = out.putObject("marks");
            marks.identity().ifPresent(name -> told.put("identity", name));
            marks.approvedBy().ifPresent(names -> told.put("approvedBy", names));
            marks.proposal().ifPresent(number -> told.put("proposal", number));
            if (marks.forced()) {
                told.put("forced", true);
            }
        });
        if (commit.payload() != null) {
            out.put("payload", Base64.getEncoder().encodeToString(commit.payload()));
        }
        return out;
    }

    private static ObjectNode error(RainerException e) {
        ObjectNode out = JSON.createObjectNode()
                .put("code", e.code())
                .put("message", e.getMessage())
                .put("hint", e.hint().orElse(null))
                .put("retryable", e.retryable());
        out.set("details", JSON.valueToTree(e.details()));
        if (e instanceof VersionConflictException conflict) {
            ArrayNode conflicts = out.putArray("conflicts");
            conflict.conflicts().forEach(one -> conflicts.addObject()
                    .put("namespace", one.namespace()).put("key", one.key())
                    .put("expectedVersion", one.expected()).put("providedVersion", one.provided()));
        }
        return out;
    }
}
