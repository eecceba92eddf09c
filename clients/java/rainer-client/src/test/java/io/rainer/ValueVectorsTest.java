package io.rainer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Names, times, header text and the ancestor's bytes: what every language agrees on before anything is sent. */
class ValueVectorsTest {
    private static Stream<DynamicTest> named(String kind, UnaryOperator<String> check) {
        JsonNode vectors = Vectors.load("names").get(kind);
        Stream<DynamicTest> taken = Vectors.each(vectors.get("taken"), vector -> {
            String text = Vectors.text(vector);
            assertEquals(text, check.apply(text));
        });
        Stream<DynamicTest> refused = Vectors.each(vectors.get("refused"), vector ->
                assertThrows(InvalidException.class, () -> check.apply(Vectors.text(vector))));
        return Stream.concat(taken, refused);
    }

    @TestFactory
    Stream<DynamicTest> keys() {
        return named("keys", Names::checkKey);
    }

    @TestFactory
    Stream<DynamicTest> namespaces() {
        return named("namespaces", Names::checkNamespace);
    }

    @TestFactory
    Stream<DynamicTest> commitIds() {
        return named("commit_ids", Names::checkCommitId);
    }

    @TestFactory
    Stream<DynamicTest> authors() {
        return named("authors", Names::checkAuthor);
    }

    @TestFactory
    Stream<DynamicTest> comments() {
        return named("comments", Names::checkComment);
    }

    @TestFactory
    Stream<DynamicTest> versions() {
        JsonNode vectors = Vectors.load("names").get("versions");
        Stream<DynamicTest> taken = Stream.of(DynamicTest.dynamicTest("taken", () -> vectors.get("taken")
                .fields()
                .forEachRemaining(one -> assertEquals(one.getValue().asInt(), Names.parseVersion(one.getKey())))));
        return Stream.concat(taken, Vectors.each(vectors.get("refused"), vector ->
                assertThrows(InvalidException.class, () -> Names.parseVersion(vector.asText()))));
    }

    @TestFactory
    Stream<DynamicTest> timesRead() {
        return Vectors.each(Vectors.load("times").get("read"), vector -> assertEquals(
                vector.get("ms").asLong(), Times.parse(vector.get("text").asText()).toEpochMilli()));
    }

    @TestFactory
    Stream<DynamicTest> timesRefused() {
        return Vectors.each(Vectors.load("times").get("refused"), vector ->
                assertThrows(InvalidException.class, () -> Times.parse(vector.asText())));
    }

    @TestFactory
    Stream<DynamicTest> timesWritten() {
        return Vectors.each(Vectors.load("times").get("write"), vector -> assertEquals(
                vector.get("text").asText(), Times.format(Instant.ofEpochMilli(vector.get("ms").asLong()))));
    }

    @TestFactory
    Stream<DynamicTest> headerTextRead() {
        return Vectors.each(Vectors.load("header_text").get("read"), vector -> assertEquals(
                vector.get("text").asText(),
                HeaderText.decode(HexFormat.of().parseHex(vector.get("hex").asText()))));
    }

    @TestFactory
    Stream<DynamicTest> headerTextWritten() {
        return Vectors.each(Vectors.load("header_text").get("write"), vector -> {
            HeaderText.Encoded encoded = HeaderText.encode(Vectors.text(vector.get("text")));
            assertEquals(vector.get("hex").asText(), HexFormat.of().formatHex(encoded.bytes()));
            assertEquals(vector.get("whole").asBoolean(), encoded.isWhole());
        });
    }

    @TestFactory
    Stream<DynamicTest> commitsWritten() {
        return Vectors.each(Vectors.load("commit_bytes").get("write"), vector -> {
            Commit commit = commit(vector.get("commit"));
            byte[] bytes = Vectors.bytes(vector.get("bytes"));
            assertArrayEquals(bytes, CommitSerialization.toBytes(commit));
            HttpVectorsTest.assertSame(List.of(commit), List.of(CommitSerialization.fromBytes(bytes, "diary")));
        });
    }

    @TestFactory
    Stream<DynamicTest> commitsRead() {
        return Vectors.each(Vectors.load("commit_bytes").get("read"), vector -> assertEquals(
                commit(vector.get("commit")),
                CommitSerialization.fromBytes(Vectors.bytes(vector.get("bytes")), "diary")));
    }

    @TestFactory
    Stream<DynamicTest> brokenCommits() {
        return Vectors.each(Vectors.load("commit_bytes").get("broken"), vector -> assertThrows(
                CorruptException.class,
                () -> CommitSerialization.fromBytes(Vectors.bytes(vector.get("bytes")), "diary")));
    }

    /** The commit that a vector spells. */
    static Commit commit(JsonNode spelt) {
        return new Commit(
                spelt.path("namespace").asText("diary"),
                spelt.get("key").asText(),
                spelt.get("version").asInt(),
                spelt.path("revision").isNumber() ? OptionalLong.of(spelt.get("revision").asLong()) : OptionalLong.empty(),
                Vectors.bytes(spelt.get("payload")),
                spelt.get("empty").asBoolean(),
                spelt.get("author").asText(),
                Vectors.text(spelt.get("comment")),
                Instant.parse(spelt.get("mtime").asText()),
                Marks.of(spelt.path("marks")));
    }
}
