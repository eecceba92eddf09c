package io.rainer.mirror;

import static io.rainer.mirror.Scripted.at;
import static io.rainer.mirror.Scripted.head;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.rainer.Commit;
import io.rainer.InvalidException;
import io.rainer.UnavailableException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What a mirror makes of what its source says. */
class MirrorTest {
    private static final Duration SOON = Duration.ofSeconds(10);

    private final Scripted source = new Scripted();
    private final Mirror mirror = source.started();

    @AfterEach
    void close() {
        mirror.close();
    }

    private String payload(String key) {
        Commit found = mirror.get(key);
        return found == null ? null : found.payloadText();
    }

    // Monotonic

    @Test
    void anOlderStateOfTheLineageIsRefused() {
        source.load(5, head("a", 2, "two"));
        assertFalse(source.sink.replace(List.of(head("a", 1, "one")), at(4)));
        assertEquals("two", payload("a"));
        assertEquals(5, mirror.revision());
    }

    @Test
    void versionsThatAreHeldOrOlderAreIgnored() {
        source.load(5, head("a", 2, "two"));
        assertTrue(source.apply(6, head("a", 2, "other"), head("a", 1, "one"), head("b", 1, "b")));
        assertEquals("two", payload("a"));
        assertEquals("b", payload("b"));
        assertTrue(source.apply(4, head("b", 9, "a duplicate's")));
        assertEquals("b", payload("b"));
        assertEquals(6, mirror.revision());
    }

    @Test
    void anOldVersionDoesNotReturnAfterARemoval() {
        source.load(5, head("a", 2, "two"));
        source.apply(6, Incoming.removal("a", 3));
        assertNull(mirror.get("a"));
        source.apply(7, head("a", 2, "two"));
        assertNull(mirror.get("a"));
        source.load(8, head("b", 1, "b"));
        source.apply(9, head("a", 3, "three"));
        assertNull(mirror.get("a"), "also across a load");
        source.apply(10, head("a", 4, "four"));
        assertEquals("four", payload("a"));
    }

    @Test
    void aRepairCountsWhateverItsVersion() {
        source.load(5, head("a", 9, "by hand"), head("b", 1, "b"));
        assertTrue(source.sink.apply(List.of(head("a", 2, "two"), Incoming.forgotten("b")), at(5), true));
        assertEquals("two", payload("a"));
        assertNull(mirror.get("b"));
        source.apply(6, head("b", 1, "anew"));
        assertEquals("anew", payload("b"), "what was forgotten may begin anew");
    }

    @Test
    void changesOfAnotherLineageAreRefusedAndItsLoadTaken() {
        source.load(5, head("a", 2, "two"));
        assertFalse(source.sink.apply(List.of(head("a", 3, "x")), at("other", 6), false));
        assertTrue(source.sink.replace(List.of(head("a", 1, "one")), at("other", 1)));
        assertEquals("one", payload("a"));
        assertEquals(at("other", 1), mirror.position().orElseThrow());
    }

    @Test
    void withoutAPositionNoKeyGoesBack() {
        source.sink.replace(List.of(head("a", 2, "two"), head("b", 1, "b")), null);
        source.sink.replace(List.of(head("a", 1, "one"), head("b", 2, "b2")), null);
        assertEquals("two", payload("a"));
        assertEquals("b2", payload("b"));
        assertEquals(Set.of("a"), mirror.rejected().keySet());
    }

    // Whole

    @Test
    void readersSeeWholeChangesets() throws InterruptedException {
        source.load(1, head("a", 1, "1"), head("b", 1, "1"));
        AtomicBoolean isOver = new AtomicBoolean();
        AtomicReference<String> wrong = new AtomicReference<>();
        Thread reader = new Thread(() -> {
            long last = 0;
            while (!isOver.get()) {
                MirrorSnapshot now = mirror.snapshot();
                boolean isWhole = now.get("a").version() == now.revision() && now.get("b").version() == now.revision();
                if (!isWhole || now.revision() < last) {
                    wrong.set(now + " at " + now.revision() + " after " + last);
                }
                last = now.revision();
            }
        });
        reader.start();
        for (int version = 2; version <= 20_000; version++) {
            source.apply(version, head("a", version, ""), head("b", version, ""));
        }
        isOver.set(true);
        reader.join();
        assertNull(wrong.get());
    }

    @Test
    void aSnapshotStaysAsItIsAndAViewDoesNot() {
        source.load(1, head("a", 1, "1"));
        MirrorSnapshot before = mirror.snapshot();
        Map<String, Commit> live = mirror.heads();
        source.apply(2, head("a", 2, "2"), head("b", 1, "1"));
        assertEquals(1, before.get("a").version());
        assertEquals(1, before.size());
        assertEquals(1, before.revision());
        assertEquals(2, live.get("a").version());
        assertEquals(Set.of("a", "b"), live.keySet());
        assertThrows(UnsupportedOperationException.class, () -> live.remove("a"));
        assertThrows(UnsupportedOperationException.class, () -> before.put("a", null));
    }

    @Test
    void aLoadOfTheSameKeepsTheCommitsThemselves() {
        source.load(5, head("a", 2, "two"));
        Commit held = mirror.get("a");
        source.load(6, head("a", 2, "two"), head("b", 1, "b"));
        assertSame(held, mirror.get("a"));
    }

    // The last good value

    @Test
    void badBytesLeaveTheLastGoodValueAndTheOthersGoOn() {
        source.load(1, head("a", 1, "good"));
        source.apply(2, Incoming.bad("a", "damaged"), head("b", 1, "b"));
        assertEquals("good", payload("a"));
        assertEquals("b", payload("b"));
        assertEquals(Map.of("a", "damaged"), mirror.rejected());
        source.load(3, Incoming.bad("a", "still damaged"));
        assertEquals("good", payload("a"));
        source.apply(4, head("a", 2, "mended"));
        assertEquals(Map.of(), mirror.rejected());
        assertEquals("mended", payload("a"));
    }

    // How it stands

    @Test
    void stateAgeAndErrorAreHonest() {
        assertEquals(MirrorState.STARTING, mirror.state());
        assertEquals(Mirror.NEVER, mirror.age());
        source.sink.replace(List.of(), at(1));
        assertEquals(MirrorState.STALE, mirror.state());
        source.sink.confirm(2, System.currentTimeMillis());
        assertEquals(MirrorState.STALE, mirror.state(), "the source has more");
        source.sink.confirm(1, System.currentTimeMillis() - 3_000);
        assertEquals(MirrorState.CURRENT, mirror.state());
        assertTrue(mirror.age().toMillis() >= 3_000 && mirror.age().toMillis() < 13_000, mirror.age().toString());
        source.sink.away(new UnavailableException("gone"));
        assertEquals(MirrorState.STALE, mirror.state());
        assertEquals("gone", mirror.error().orElseThrow().getMessage());
        source.sink.confirm(1, System.currentTimeMillis() - 20_000);
        assertTrue(mirror.error().isEmpty());
        assertEquals(MirrorState.CURRENT, mirror.state(), "an older moment than known takes nothing back");
        mirror.close();
        assertTrue(source.isClosed);
        assertEquals(MirrorState.CLOSED, mirror.state());
        assertFalse(source.apply(2, head("a", 1, "late")));
    }

    // Waiting

    @Test
    void waitsForReadinessAndForVersions() throws InterruptedException {
        assertThrows(NotYetException.class, () -> mirror.awaitReady(Duration.ofMillis(20)));
        source.load(1, head("a", 1, "1"));
        assertSame(mirror, mirror.awaitReady(SOON));
        Thread later = new Thread(() -> source.apply(2, head("a", 2, "2")));
        later.start();
        assertEquals("2", mirror.waitFor("a", 2, SOON).orElseThrow().payloadText());
        later.join();
        source.apply(3, Incoming.removal("a", 3));
        assertTrue(mirror.waitFor("a", 3, SOON).isEmpty());
        mirror.waitForRevision(3, SOON);
        assertThrows(NotYetException.class, () -> mirror.waitFor("a", 4, Duration.ofMillis(20)));
        Thread closing = new Thread(mirror::close);
        closing.start();
        assertThrows(NotYetException.class, () -> mirror.waitFor("a", 4, SOON));
        closing.join();
    }

    @Test
    void startsOnceAndRefusesWhatCannotBe() {
        assertThrows(InvalidException.class, mirror::start);
        assertThrows(InvalidException.class, () -> Mirror.http("http://localhost:8080/"));
        assertThrows(InvalidException.class, () -> Mirror.http("ftp://localhost/diary"));
        assertThrows(InvalidException.class, () -> Mirror.http("http://localhost/diary?x=1"));
        assertThrows(InvalidException.class, () -> MirrorOptions.defaults().withPoll(Duration.ZERO));
        assertFalse(MirrorOptions.defaults().withDigest("me", "secret").toString().contains("secret"));
    }
}
