package io.rainer.mirror;

import static io.rainer.mirror.Scripted.head;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.rainer.CorruptException;
import io.rainer.Position;
import io.rainer.Vectors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

class SnapshotTest {
    @TempDir
    Path folder;

    // The form, as tests/vectors have it

    private static Snapshot of(JsonNode vector) {
        List<PackedHead> records = new ArrayList<>();
        for (JsonNode one : vector.get("heads")) {
            records.add(new PackedHead(one.get("key").asText(), one.get("version").asLong(), one.get("revision").asLong(),
                    PackedHead.Kind.HEAD, Vectors.bytes(one.get("bytes"))));
        }
        Position position = vector.get("lineage").isNull() ? null : new Position(vector.get("lineage").asText(),
                vector.get("revision").asLong(), vector.get("chain").asText());
        return new Snapshot(vector.get("namespace").asText(), position, vector.get("current_ms").asLong(),
                vector.get("saved_ms").asLong(), records);
    }

    @TestFactory
    Stream<DynamicTest> areWrittenAsExactlyTheseBytesAndReadBack() {
        return Vectors.each(Vectors.load("snapshot").get("whole"), vector -> {
            byte[] written = of(vector).toBytes();
            if (vector.has("hex")) {
                assertEquals(vector.get("hex").asText(), HexFormat.of().formatHex(written));
            } else {
                assertEquals(vector.get("size").asInt(), written.length);
                byte[] sum = Packed.sha256(written, 0, written.length);
                assertEquals(vector.get("sha256").asText(), HexFormat.of().formatHex(sum));
            }
            Snapshot read = Snapshot.fromBytes(written);
            assertEquals(of(vector).position(), read.position());
            assertEquals(of(vector).records().size(), read.records().size());
            assertArrayEquals(written, read.toBytes());
            for (PackedHead record : read.records()) {
                Incoming found = Incoming.of(record, read.namespace());
                assertEquals(null, found.why());
                assertEquals(record.revision(), found.commit().revision().orElse(0));
            }
        });
    }

    @TestFactory
    Stream<DynamicTest> thatAreBrokenAreSaidToBeSo() {
        return Vectors.each(Vectors.load("snapshot").get("broken"), vector -> assertThrows(CorruptException.class,
                () -> Snapshot.fromBytes(HexFormat.of().parseHex(vector.get("hex").asText()))));
    }

    // The file

    private Mirror started(Scripted source, Path file) {
        return source.mirror(MirrorOptions.defaults().withSnapshot(file)).start();
    }

    private void keep(Path file, long revision, String payload) {
        Scripted source = new Scripted();
        Mirror mirror = started(source, file);
        source.load(revision, head("a", (int) revision, payload));
        mirror.close();
    }

    @Test
    void isKeptPrivatelyWithTheOneBefore() throws IOException {
        Path file = folder.resolve("deep/down/diary");
        keep(file, 1, "one");
        keep(file, 2, "two");
        assertEquals("rwx------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file.getParent())));
        Path previous = file.resolveSibling("diary.previous");
        for (Path one : List.of(file, previous)) {
            assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(one)));
        }
        assertEquals(2, Snapshot.fromBytes(Files.readAllBytes(file)).position().revision());
        assertEquals(1, Snapshot.fromBytes(Files.readAllBytes(previous)).position().revision());
        try (Stream<Path> left = Files.list(file.getParent())) {
            assertEquals(2, left.count());
        }
    }

    @Test
    void isStartedFromWhileTheSourceIsAway() throws IOException, InterruptedException {
        Path file = folder.resolve("diary");
        keep(file, 1, "one");
        keep(file, 2, "two");
        byte[] damaged = Files.readAllBytes(file);
        damaged[damaged.length / 2] ^= 1;
        Files.write(file, damaged);
        Scripted source = new Scripted();
        try (Mirror mirror = started(source, file)) {
            source.sink.away(new io.rainer.UnavailableException("down"));
            mirror.awaitReady(Duration.ofSeconds(30));
            assertEquals("one", mirror.get("a").payloadText(), "the one before");
            assertEquals(MirrorState.STALE, mirror.state());
            assertTrue(mirror.age().compareTo(Mirror.NEVER) < 0);
            source.load(3, head("a", 3, "three"));
            assertEquals(MirrorState.CURRENT, mirror.state());
        }
    }

    @Test
    void ofAnotherNamespaceIsNotBelieved() throws InterruptedException {
        Path file = folder.resolve("diary");
        keep(file, 1, "one");
        Scripted source = new Scripted();
        try (Mirror other = Mirror.of("other", () -> source, MirrorOptions.defaults().withSnapshot(file)).start()) {
            assertEquals(MirrorState.STARTING, other.state());
        }
    }

    @Test
    void fromTheFutureIsGivenUpForASourceThatInsists() throws InterruptedException {
        Path file = folder.resolve("diary");
        keep(file, 9, "nine");
        Scripted source = new Scripted();
        try (Mirror mirror = started(source, file)) {
            long begun = System.nanoTime();
            while (!source.sink.replace(List.of(head("a", 5, "five")), Scripted.at(5))) {
                assertEquals("nine", mirror.get("a").payloadText());
                assertTrue(System.nanoTime() - begun < 20_000_000_000L);
                Thread.sleep(100);
            }
            assertTrue(System.nanoTime() - begun >= 1_900_000_000L);
            assertEquals("five", mirror.get("a").payloadText());
        }
    }
}
