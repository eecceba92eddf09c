package io.rainer.zookeeper;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.rainer.CorruptException;
import io.rainer.Position;
import io.rainer.mirror.PackedHead;
import io.rainer.mirror.Report;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The golden vectors of what publishers write and mirrors read, and of what mirrors write. */
class PublishedVectorsTest {
    private static final JsonNode VECTORS = load();
    private static final Map<String, Form> FORMS = Map.of(
            "head", data -> TreeHead.fromBytes(data).toBytes(),
            "parts", data -> Parts.fromBytes(data).toBytes());

    private interface Form {
        byte[] readAndWrite(byte[] data);
    }

    private interface Check {
        void run(JsonNode vector);
    }

    private static JsonNode load() {
        Path folder = Path.of(System.getProperty("rainer.vectors", "../../../tests/vectors"));
        try {
            return new ObjectMapper().readTree(folder.resolve("published.json").toFile());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] bytes(JsonNode spelt) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        if (spelt.has("pieces")) {
            spelt.get("pieces").forEach(piece -> out.writeBytes(bytes(piece)));
            return out.toByteArray();
        }
        byte[] one = spelt.has("utf8")
                ? spelt.get("utf8").asText().getBytes(StandardCharsets.UTF_8)
                : HexFormat.of().parseHex(spelt.get("hex").asText());
        for (int i = 0; i < spelt.path("times").asInt(1); i++) {
            out.writeBytes(one);
        }
        return out.toByteArray();
    }

    private static Stream<DynamicTest> each(JsonNode vectors, Check check) {
        return StreamSupport.stream(vectors.spliterator(), false)
                .map(one -> DynamicTest.dynamicTest(one.path("name").asText(), () -> check.run(one)));
    }

    private static Batch batch(JsonNode told) {
        List<PackedHead> records = new ArrayList<>();
        for (JsonNode one : told.get("records")) {
            PackedHead.Kind kind = PackedHead.Kind.valueOf(one.get("kind").asText().toUpperCase(Locale.ROOT));
            records.add(new PackedHead(one.get("key").asText(), one.get("version").asLong(), one.get("revision").asLong(),
                    kind, bytes(one.get("data"))));
        }
        Position position = new Position(told.get("lineage").asText(), told.get("revision").asLong(),
                told.get("chain").asText());
        return new Batch(told.get("n").asLong(), position, told.get("part").asLong(), told.get("parts").asLong(),
                told.get("repair").asBoolean(), records);
    }

    @TestFactory
    Stream<DynamicTest> batchesAreWrittenAsExactlyTheseBytesAndReadBack() {
        return each(VECTORS.get("batches").get("write"), vector -> {
            byte[] data = bytes(vector.get("bytes"));
            assertArrayEquals(data, batch(vector.get("batch")).toBytes());
            Batch read = Batch.fromBytes(data);
            assertEquals(batch(vector.get("batch")).position(), read.position());
            assertEquals(vector.get("batch").get("repair").asBoolean(), read.isRepair());
            assertArrayEquals(data, read.toBytes());
        });
    }

    @TestFactory
    Stream<DynamicTest> brokenBatchesAreSaidToBeSo() {
        return each(VECTORS.get("batches").get("broken"),
                vector -> assertThrows(CorruptException.class, () -> Batch.fromBytes(bytes(vector.get("bytes")))));
    }

    @TestFactory
    Stream<DynamicTest> headsAndPartsAreWrittenAsTheyWereRead() {
        return FORMS.entrySet().stream().flatMap(form -> each(VECTORS.get("json").get(form.getKey()).get("write"),
                vector -> assertArrayEquals(bytes(vector.get("bytes")),
                        form.getValue().readAndWrite(bytes(vector.get("bytes"))))));
    }

    @TestFactory
    Stream<DynamicTest> headsAndPartsOfOtherHandsAreRead() {
        return FORMS.entrySet().stream().flatMap(form -> each(VECTORS.get("json").get(form.getKey()).get("read"),
                vector -> assertNotNull(form.getValue().readAndWrite(bytes(vector.get("bytes"))))));
    }

    @TestFactory
    Stream<DynamicTest> brokenHeadsAndPartsAreSaidToBeSo() {
        return FORMS.entrySet().stream().flatMap(form -> each(VECTORS.get("json").get(form.getKey()).get("broken"),
                vector -> assertThrows(CorruptException.class,
                        () -> form.getValue().readAndWrite(bytes(vector.get("bytes"))))));
    }

    @TestFactory
    Stream<DynamicTest> beatsAreRead() {
        JsonNode beats = VECTORS.get("json").get("beat");
        Check reads = vector -> {
            Freshness.Beat beat = Freshness.Beat.of(bytes(vector.get("bytes")));
            assertEquals(vector.get("members").get("time_ms").asLong(), beat.timeMs());
            assertEquals(vector.get("members").path("oldest_ms").asLong(), beat.oldestMs());
        };
        Check refuses = vector -> assertNull(Freshness.Beat.of(bytes(vector.get("bytes"))));
        return Stream.of(each(beats.get("read"), reads), each(beats.get("write"), reads), each(beats.get("broken"), refuses))
                .flatMap(tests -> tests);
    }

    @TestFactory
    Stream<DynamicTest> reportsAreWrittenAsExactlyTheseBytes() {
        return each(VECTORS.get("json").get("report").get("write"), vector -> {
            JsonNode told = vector.get("members");
            if (!told.get("followers").isEmpty()) {
                return; // only mirror servers pass others on
            }
            Map<String, String> rejected = new TreeMap<>();
            told.get("rejected").fields().forEachRemaining(one -> rejected.put(one.getKey(), one.getValue().asText()));
            Report report = new Report(told.get("id").asText(), told.get("host").asText(), told.get("pid").asLong(),
                    told.get("lineage").asText(), told.get("revision").asLong(), told.get("time_ms").asLong(),
                    told.get("via").asText(), told.get("state").asText(), rejected, told.get("error").asText(),
                    told.get("namespace").asText());
            assertEquals(new String(bytes(vector.get("bytes")), StandardCharsets.UTF_8),
                    new String(report.toBytes(), StandardCharsets.UTF_8));
        });
    }
}
