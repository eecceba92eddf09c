package io.rainer.mirror;

import static io.rainer.mirror.Scripted.head;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.rainer.Commit;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ListenersTest {
    private static final Duration SOON = Duration.ofSeconds(10);

    private final Scripted source = new Scripted();
    private final Mirror mirror = source.mirror(MirrorOptions.defaults());
    private final LinkedBlockingQueue<String> heard = new LinkedBlockingQueue<>();

    @AfterEach
    void close() {
        mirror.close();
    }

    private static String told(Change change) {
        return change.key() + ":" + version(change.before()) + ">" + version(change.after());
    }

    private static int version(Commit commit) {
        return commit == null ? 0 : commit.version();
    }

    private void assertHears(String... expected) throws InterruptedException {
        for (String one : expected) {
            assertEquals(one, heard.poll(10, TimeUnit.SECONDS));
        }
    }

    @Test
    void hearOfEveryChangeInOrderFromTheLoadOn() throws InterruptedException {
        mirror.onChange((key, before, after) -> heard.add(told(new Change(key, before, after))));
        mirror.start();
        source.load(1, head("a", 1, "1"));
        source.apply(2, head("a", 2, "2"), head("b", 1, "1"));
        source.apply(3, Incoming.removal("a", 3));
        assertHears("a:0>1", "a:1>2", "b:0>1", "a:2>0");
    }

    @Test
    void hearOfWholeChangesetsWithWhatStoodThen() throws InterruptedException {
        mirror.start();
        source.load(1, head("a", 1, "1"));
        mirror.onChangeset(changeset -> {
            List<String> all = new ArrayList<>();
            changeset.changes().forEach(change -> all.add(told(change)));
            heard.add(all + " at " + changeset.snapshot().revision() + " of " + changeset.snapshot().size());
        });
        source.apply(2, head("b", 1, "1"), head("c", 1, "1"));
        source.apply(3, Incoming.removal("b", 2));
        assertHears("[b:0>1, c:0>1] at 2 of 3", "[b:1>0] at 3 of 2");
    }

    @Test
    void onesThatThrowHarmNeitherTheOthersNorTheMirror() throws InterruptedException {
        mirror.onChange((key, before, after) -> {
            throw new IllegalStateException("a listener's own trouble");
        });
        mirror.onChangeset(changeset -> {
            throw new AssertionError("and another's");
        });
        mirror.onChange((key, before, after) -> heard.add(told(new Change(key, before, after))));
        mirror.start();
        source.load(1, head("a", 1, "1"));
        source.apply(2, head("a", 2, "2"));
        assertHears("a:0>1", "a:1>2");
    }

    @Test
    void mayReadWaitRegisterAndCloseTheMirror() throws InterruptedException {
        mirror.start();
        source.load(1, head("a", 1, "1"));
        CountDownLatch isClosed = new CountDownLatch(1);
        mirror.onChange((key, before, after) -> {
            heard.add("reads " + mirror.get("a").version() + " of " + mirror.snapshot().revision());
            mirror.onChange((again, old, now) -> heard.add("registered, and heard of " + again)).close();
            mirror.waitFor("b", 1, SOON);
            heard.add("waited");
            mirror.close();
            isClosed.countDown();
        });
        source.apply(2, head("a", 2, "2"));
        assertHears("reads 2 of 2");
        source.apply(3, head("b", 1, "1"));
        assertHears("waited");
        assertTrue(isClosed.await(10, TimeUnit.SECONDS));
        assertEquals(MirrorState.CLOSED, mirror.state());
    }

    @Test
    void endWhenTheyAreClosed() throws InterruptedException {
        mirror.start();
        source.load(1);
        Registration first = mirror.onChange((key, before, after) -> heard.add("first " + key));
        mirror.onChange((key, before, after) -> heard.add("second " + key));
        source.apply(2, head("a", 1, "1"));
        assertHears("first a", "second a");
        first.close();
        first.close();
        source.apply(3, head("b", 1, "1"));
        assertHears("second b");
    }

    @Test
    void onesThatLagGetOneChangeAKeyAndMissNothing() throws InterruptedException {
        CountDownLatch mayGoOn = new CountDownLatch(1);
        CountDownLatch isHeld = new CountDownLatch(1);
        Map<String, Commit> folded = new ConcurrentHashMap<>();
        LinkedBlockingQueue<Change> all = new LinkedBlockingQueue<>();
        mirror.onChange((key, before, after) -> {
            isHeld.countDown();
            mayGoOn.await();
            all.add(new Change(key, before, after));
            if (after == null) {
                folded.remove(key);
            } else {
                folded.put(key, after);
            }
        });
        mirror.start();
        source.load(1, head("slow", 1, ""));
        isHeld.await();
        int changes = 3 * Listeners.CHANGES_MAX;
        for (int i = 1; i <= changes; i++) {
            source.apply(i + 1, head("key-" + i % 10, i, ""));
        }
        source.apply(changes + 2, Incoming.removal("key-3", changes + 1));
        source.apply(changes + 3, head("last", 1, ""));
        mayGoOn.countDown();
        Change last = null;
        while (last == null || !last.key().equals("last")) {
            last = all.poll(10, TimeUnit.SECONDS);
            assertNotNull(last);
        }
        assertEquals(Map.copyOf(mirror.snapshot()), folded);
        assertTrue(all.size() <= 2 * Listeners.CHANGES_MAX);
    }
}
