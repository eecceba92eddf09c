package io.rainer.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import com.fasterxml.jackson.databind.JsonNode;
import io.rainer.Commit;
import io.rainer.CommitSerialization;
import io.rainer.CorruptException;
import io.rainer.Vectors;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The short way of reading a commit's bytes says what the long way says, or nothing. */
class PlainCommitTest {
    private static final byte[] PLAIN = ("101\n{\"key\":\"hey\",\"version\":1,\"author\":\"me\",\"comment\":\"\","
            + "\"mtime\":\"1970-01-01T00:00:00.002Z\",\"empty\":false}\nhello\n").getBytes(StandardCharsets.UTF_8);

    private static Commit shortly(String key, byte[] data) {
        return PlainCommit.read(key, data, "diary", OptionalLong.empty());
    }

    private static void assertSame(byte[] data) {
        Commit known = null;
        try {
            known = CommitSerialization.fromBytes(data, "diary");
        } catch (CorruptException e) {
            // then the short way must have nothing to say
        }
        Commit found = shortly(known == null ? "hey" : known.key(), data);
        if (found != null) {
            assertEquals(known, found, () -> new String(data, StandardCharsets.UTF_8));
        }
    }

    @Test
    void readsWhatWeWrite() {
        assertNotNull(shortly("hey", PLAIN));
        assertEquals("hello", shortly("hey", PLAIN).payloadText());
        assertNull(shortly("other", PLAIN));
        assertSame(PLAIN);
    }

    @Test
    void saysNothingElseOfBytesThatAreDamagedInAnyWay() {
        Random chance = new Random(7);
        for (int at = 0; at < PLAIN.length; at++) {
            for (int round = 0; round < 20; round++) {
                byte[] data = PLAIN.clone();
                data[at] = (byte) (round < 8 ? data[at] ^ 1 << round : chance.nextInt(256));
                assertSame(data);
            }
            assertSame(java.util.Arrays.copyOf(PLAIN, at));
        }
    }

    @TestFactory
    Stream<DynamicTest> saysWhatTheVectorsSay() {
        List<JsonNode> all = new ArrayList<>();
        JsonNode vectors = Vectors.load("commit_bytes");
        for (String group : List.of("write", "read", "broken")) {
            vectors.get(group).forEach(all::add);
        }
        return all.stream().map(one -> DynamicTest.dynamicTest(one.path("name").asText(), () -> {
            JsonNode spelt = one.has("bytes") ? one.get("bytes") : one;
            assertSame(Vectors.bytes(spelt));
        }));
    }
}
