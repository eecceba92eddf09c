package io.rainer.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import io.rainer.InvalidException;
import io.rainer.Marks;
import io.rainer.Position;
import io.rainer.Vectors;
import java.net.http.HttpHeaders;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The golden vectors of the feed and of lists, as a mirror takes them. */
class PageVectorsTest {
    private static final JsonNode VECTORS = Vectors.load("changes_pages");

    private static HttpAnswer answer(JsonNode vector) {
        HttpHeaders none = HttpHeaders.of(Map.of(), (name, value) -> true);
        return new HttpAnswer(200, none, Vectors.bytes(vector.get("body")), "http://localhost");
    }

    private static HttpPage page(JsonNode vector, String namespace) {
        HttpAnswer answer = answer(vector);
        return HttpPage.of(answer, answer.body(), namespace);
    }

    /** What the vector's bytes, in the ancestor's form, say. */
    private static List<Incoming> heads(JsonNode told, String namespace) {
        List<Incoming> found = new ArrayList<>();
        for (JsonNode one : told) {
            PackedHead.Kind kind = PackedHead.Kind.valueOf(one.get("kind").asText().toUpperCase(Locale.ROOT));
            found.add(Incoming.of(new PackedHead(one.get("key").asText(), 0, one.get("revision").asLong(), kind,
                    Vectors.bytes(one.get("data"))), namespace));
        }
        return found;
    }

    /** Equal, also in the marks of their commits, for which equality does not ask. */
    private static void assertSame(List<Incoming> expected, List<Incoming> found) {
        assertEquals(expected, found);
        assertEquals(marks(expected), marks(found));
    }

    private static List<Optional<Marks>> marks(List<Incoming> records) {
        return records.stream().filter(one -> one.commit() != null).map(one -> one.commit().marks()).toList();
    }

    @TestFactory
    Stream<DynamicTest> pagesAreRead() {
        return Vectors.each(VECTORS.get("pages").get("read"), vector -> {
            JsonNode told = vector.get("page");
            if (!told.has("heads")) {
                return; // without payloads, which no mirror asks for
            }
            String namespace = vector.get("namespace").asText();
            HttpPage page = page(vector, namespace);
            assertEquals(new Position(told.get("lineage").asText(), told.get("revision").asLong(),
                    told.get("chain").asText()), page.position());
            assertEquals(told.get("more").asBoolean(), page.more());
            long ageMs = told.get("age_s").isNull() ? -1 : Math.round(told.get("age_s").asDouble() * 1000);
            assertEquals(ageMs, page.ageMs());
            assertEquals(told.path("readable").textValue(), page.readable());
            assertSame(heads(told.get("heads"), namespace), page.records());
        });
    }

    @TestFactory
    Stream<DynamicTest> whatIsNoPageIsSaidToBeSo() {
        return Vectors.each(VECTORS.get("pages").get("broken"),
                vector -> assertThrows(InvalidException.class, () -> page(vector, "diary")));
    }

    @TestFactory
    Stream<DynamicTest> aChangeThatCannotBeTakenLeavesTheOthers() {
        return Vectors.each(VECTORS.get("pages").get("rejected"), vector -> {
            List<Incoming> records = page(vector, "diary").records();
            assertEquals(1, records.size());
            assertEquals(vector.get("key").asText(), records.get(0).key());
            assertEquals(true, records.get(0).isBad());
        });
    }

    @TestFactory
    Stream<DynamicTest> listsAreRead() {
        return Vectors.each(VECTORS.get("lists").get("read"), vector -> {
            if (vector.has("heads")) {
                String namespace = vector.get("namespace").asText();
                assertSame(heads(vector.get("heads"), namespace), HttpPage.list(answer(vector), namespace));
            }
        });
    }

    @TestFactory
    Stream<DynamicTest> whatIsNoListIsSaidToBeSo() {
        return Vectors.each(VECTORS.get("lists").get("broken"),
                vector -> assertThrows(InvalidException.class, () -> HttpPage.list(answer(vector), "diary")));
    }

    @TestFactory
    Stream<DynamicTest> streamsAreReadHoweverTheyAreCut() {
        return Vectors.each(VECTORS.get("streams"), vector -> {
            byte[] data = Vectors.bytes(vector.get("bytes"));
            List<String> told = new ArrayList<>();
            vector.get("events").forEach(one -> told.add(one.get("event").asText() + " " + one.get("data").asText()));
            for (int size : new int[] {1, 7, 20, Math.max(1, data.length)}) {
                assertEquals(told, events(data, size));
            }
        });
    }

    private static List<String> events(byte[] data, int size) throws InterruptedException {
        List<byte[]> pieces = new ArrayList<>();
        for (int at = 0; at < data.length; at += size) {
            pieces.add(java.util.Arrays.copyOfRange(data, at, Math.min(data.length, at + size)));
        }
        java.util.Iterator<byte[]> rest = pieces.iterator();
        ServerEvents events = new ServerEvents(silence -> rest.hasNext() ? rest.next() : null);
        List<String> found = new ArrayList<>();
        for (ServerEvents.Event one = events.next(null); one != null; one = events.next(null)) {
            found.add(one.kind() + " " + one.text());
        }
        return found;
    }
}
