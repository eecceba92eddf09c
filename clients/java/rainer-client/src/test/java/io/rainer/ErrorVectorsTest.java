package io.rainer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Which error an answer is, and what it means to one who committed. */
class ErrorVectorsTest {
    @TestFactory
    Stream<DynamicTest> errors() {
        return Vectors.each(Vectors.load("errors").get("answers"), vector -> {
            ScriptedServer.Told told = new ScriptedServer.Told(
                    vector.get("status").asInt(), HttpVectorsTest.headers(vector.get("headers")), Vectors.bytes(vector.get("body")));
            try (ScriptedServer server = new ScriptedServer((asked, turn) -> told);
                    RainerClient client = HttpVectorsTest.client(server, "diary")) {
                check(vector.get("error"), assertThrows(RainerException.class, () -> client.get("hey")));
                String meaning = vector.get("commit").asText();
                RainerException sent =
                        assertThrows(RainerException.class, () -> client.commit(Draft.of("hey", 1, "x")));
                assertEquals(meaning.equals("unknown"), sent instanceof OutcomeUnknownException, sent.toString());
                assertEquals(meaning.equals("again"), sent.retryable(), sent.toString());
            }
        });
    }

    private static void check(JsonNode expected, RainerException error) {
        assertEquals(expected.get("code").asText(), error.code());
        assertEquals(expected.get("retryable").asBoolean(), error.retryable());
        assertEquals(branch(expected.get("class").asText()), error.getClass().getSimpleName());
        if (expected.has("message")) {
            assertEquals(expected.get("message").asText(), error.getMessage());
        }
        expected.path("says").forEach(word ->
                assertTrue(error.getMessage().contains(word.asText()), error.getMessage()));
        if (expected.has("hint")) {
            assertEquals(expected.get("hint").isNull() ? null : expected.get("hint").asText(), error.hint().orElse(null));
        }
        if (expected.has("details")) {
            JsonNode details = new ObjectMapper().valueToTree(error.details());
            assertEquals(expected.get("details").toString(), details.toString());
        }
        if (error instanceof RuleBrokenException broken) {
            checkPlace(expected.get("details"), broken.pointer(), broken);
            assertEquals(expected.get("details").path("rule").textValue(), broken.rule().orElse(null));
        }
        if (error instanceof InvalidDocumentException invalid) {
            checkPlace(expected.get("details"), invalid.pointer(), invalid);
        }
        if (expected.has("retry_after_s")) {
            assertEquals(
                    Duration.ofSeconds(expected.get("retry_after_s").asInt()),
                    ((OverloadedException) error).retryAfter());
        }
        if (expected.has("conflicts")) {
            List<KeyConflict> conflicts = new ArrayList<>();
            expected.get("conflicts").forEach(one -> conflicts.add(new KeyConflict(
                    one.get("namespace").asText(), one.get("key").asText(),
                    one.get("expectedVersion").asInt(), one.get("providedVersion").asInt())));
            assertEquals(conflicts, ((VersionConflictException) error).conflicts());
        }
    }

    private static void checkPlace(JsonNode details, Optional<String> pointer, MalformedPayloadException error) {
        assertEquals(details.path("pointer").textValue(), pointer.orElse(null));
        assertEquals(details.path("line").asInt(-1), error.line().orElse(-1));
        assertEquals(details.path("column").asInt(-1), error.column().orElse(-1));
    }

    /** The class of this client for one of the reference's; codes of assets and proposals are carried by their branch. */
    private static String branch(String name) {
        return switch (name) {
            case "RainerError", "MissingExtra" -> "RainerException";
            case "InvalidUri", "InvalidManifest" -> "InvalidException";
            case "ObjectNotFound", "AssetNotFound" -> "NotFoundException";
            case "NamespaceExists", "ObjectExists", "AssetVersionConflict", "ProposalDecided", "ProposalStale" ->
                    "ConflictException";
            case "CredentialsError" -> "DeniedException";
            case "WrongDigest" -> "CorruptException";
            case "StoreUnavailable", "NotCached", "NoSpace" -> "UnavailableException";
            default -> name.replaceFirst("Error$", "") + "Exception";
        };
    }
}
