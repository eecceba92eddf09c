package io.rainer.mirror;

import static io.rainer.mirror.Scripted.head;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class ValuesTest {
    private final Scripted source = new Scripted();
    private final Mirror mirror = source.started();
    private final AtomicInteger parsed = new AtomicInteger();

    @AfterEach
    void close() {
        mirror.close();
    }

    private Integer number(byte[] payload) {
        parsed.incrementAndGet();
        return Integer.valueOf(new String(payload, StandardCharsets.UTF_8));
    }

    @Test
    void followTheMirrorAndParseOnce() {
        source.load(1, head("a", 1, "1"), head("b", 1, "2"));
        Values<Integer> numbers = mirror.values(this::number);
        assertEquals(Map.of("a", 1, "b", 2), numbers);
        assertEquals(1, numbers.get("a"));
        assertEquals(2, parsed.get());
        source.apply(2, head("a", 2, "10"), Incoming.removal("b", 2));
        assertEquals(Map.of("a", 10), numbers);
        assertNull(numbers.get("b"));
        assertFalse(numbers.containsKey("b"));
    }

    @Test
    void keepTheLastGoodValueAndSayWhatFails() {
        source.load(1, head("a", 1, "1"), head("never", 1, "x"));
        Values<Integer> numbers = mirror.values(this::number);
        source.apply(2, head("a", 2, "two"));
        assertEquals(1, numbers.get("a"));
        assertEquals(Set.of("a", "never"), numbers.errors().keySet());
        assertTrue(numbers.errors().get("a").contains("NumberFormatException"), numbers.errors().get("a"));
        assertNull(numbers.get("never"));
        assertEquals(Map.of("a", 1), numbers);
        source.apply(3, head("a", 3, "3"));
        assertEquals(3, numbers.get("a"));
        assertEquals(Set.of("never"), numbers.errors().keySet());
    }

    @Test
    void findTheLastGoodOneAlsoIfNobodyHadLookedAtIt() {
        source.load(1, head("a", 1, "1"));
        Values<Integer> numbers = mirror.values(payload -> {
            // Whatever the mirror's own thread does with it meanwhile.
            return number(payload);
        });
        source.apply(2, head("a", 2, "2"));
        source.apply(3, head("a", 3, "three"));
        source.apply(4, head("a", 4, "four"));
        assertEquals(2, numbers.get("a"));
    }

    @Test
    void forgetWithTheKey() {
        source.load(1, head("a", 1, "1"));
        Values<Integer> numbers = mirror.values(this::number);
        assertEquals(1, numbers.get("a"));
        source.apply(2, Incoming.removal("a", 2));
        source.apply(3, head("a", 3, "bad"));
        assertNull(numbers.get("a"), "the value of a removed key does not return");
    }

    @Test
    void parseOnTheMirrorsThreadWithoutBeingAsked() throws InterruptedException {
        source.load(1);
        Values<Integer> numbers = mirror.values(this::number);
        CountUp seen = new CountUp();
        mirror.onChange((key, before, after) -> seen.up()); // after the values have looked
        source.apply(2, head("a", 1, "1"));
        seen.await(1);
        assertEquals(1, parsed.get());
        assertEquals(1, numbers.size());
        assertEquals(1, parsed.get());
    }

    /** Waits for a count. */
    private static final class CountUp {
        private int count;

        synchronized void up() {
            count++;
            notifyAll();
        }

        synchronized void await(int least) throws InterruptedException {
            long until = System.nanoTime() + Duration.ofSeconds(10).toNanos();
            while (count < least && System.nanoTime() < until) {
                wait(100);
            }
            assertTrue(count >= least);
        }
    }
}
