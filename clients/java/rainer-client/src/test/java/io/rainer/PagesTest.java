package io.rainer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.rainer.ScriptedServer.Asked;
import io.rainer.ScriptedServer.Told;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Answers of many pages: all of one moment, and never all in memory as text. */
class PagesTest {
    private static final int HEADS = 100_000;

    private static final int FEWER = 3_000;

    /** One page of a namespace of so many keys, as a server tells it. */
    private static Told page(Asked asked, String lineage, int heads) {
        Map<String, String> query = query(asked.path());
        int begin = query.containsKey("after") ? Integer.parseInt(query.get("after").substring(1)) + 1 : 0;
        int end = Math.min(heads, begin + Integer.parseInt(query.get("limit")));
        StringBuilder out = new StringBuilder("{");
        for (int i = begin; i < end; i++) {
            String key = String.format("k%06d", i);
            out.append(i == begin ? "" : ",").append('"').append(key).append("\":{\"key\":\"").append(key)
                    .append("\",\"version\":1,\"author\":\"me\",\"comment\":\"\",\"mtime\":\"2026-01-31T12:34:56.789Z\",")
                    .append("\"empty\":false,\"namespace\":\"diary\",\"revision\":").append(i + 1)
                    .append(",\"payload_base64\":\"eA==\"}");
        }
        Map<String, String> headers = new TreeMap<>(Map.of("X-Rainer-Revision", "" + heads, "X-Rainer-Lineage", lineage));
        if (end < heads) {
            headers.put("Link", "</diary?after=x>; rel=\"next\"");
        }
        return new Told(200, headers, Told.of(200, out.append("}\r\n").toString()).body());
    }

    private static Map<String, String> query(String path) {
        Map<String, String> found = new TreeMap<>();
        for (String member : path.substring(path.indexOf('?') + 1).split("&")) {
            found.put(member.split("=")[0], member.split("=")[1]);
        }
        return found;
    }

    @Test
    void aHundredThousandHeadsComeInOrderAndOfOneMoment() {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> page(asked, "one", HEADS));
                RainerClient client = RainerClient.of(server.url("diary"))) {
            Map<String, Commit> heads = client.headsNonEmpty();
            assertEquals(HEADS, heads.size());
            assertEquals(HEADS, heads.get("k099999").revision().getAsLong());
            assertEquals("k000000", heads.keySet().iterator().next());
            server.asked().stream().skip(1).forEach(asked ->
                    assertEquals("100000", query(asked.path()).get("at"), "the first page's revision"));
        }
    }

    @Test
    void aStreamAsksForNoMoreThanIsTaken() {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> page(asked, "one", HEADS));
                RainerClient client = RainerClient.of(server.url("diary"));
                Stream<Commit> heads = client.streamHeads(HeadsQuery.nonEmpty())) {
            assertEquals(150, heads.limit(150).count());
            assertTrue(server.asked().size() <= 3, "pages of 100 and 400, and one ahead at most");
        }
    }

    @Test
    void aJournalReplacedBetweenTwoPagesIsReadAnewThreeTimesAtMost() {
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> page(asked, turn <= 3 ? "" + turn : "last", FEWER));
                RainerClient client = RainerClient.of(server.url("diary"))) {
            assertEquals(FEWER, client.heads().size());
        }
        try (ScriptedServer server = new ScriptedServer((asked, turn) -> page(asked, "" + turn, FEWER));
                RainerClient client = RainerClient.of(server.url("diary"))) {
            assertThrows(PositionGoneException.class, client::heads);
            assertEquals(8, server.asked().size());
            assertThrows(PositionGoneException.class, () -> client.streamHeads(HeadsQuery.all()).count());
        }
    }
}
