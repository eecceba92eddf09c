package io.rainer.mirror;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.rainer.Commit;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Random;
import org.junit.jupiter.api.Test;

class HeadsTest {
    private static Commit commit(String key, int version) {
        return new Commit("diary", key, version, OptionalLong.empty(), new byte[0], false, "me", "", Instant.EPOCH);
    }

    private static Map<String, Commit> all(Heads heads) {
        Map<String, Commit> found = new HashMap<>();
        heads.all().forEach(one -> assertNull(found.put(one.key(), one), "a key comes once"));
        return found;
    }

    @Test
    void keepsWhatAMapKeepsThroughRandomChangesAndNothingOfAnOlderOneMoves() {
        Random chance = new Random(4);
        Map<String, Commit> model = new HashMap<>();
        List<Heads> taken = new ArrayList<>();
        List<Map<String, Commit>> expected = new ArrayList<>();
        Heads heads = Heads.EMPTY;
        for (int round = 1; round <= 400; round++) {
            Heads.Editor editor = heads.edit();
            for (int i = chance.nextInt(50); i > 0; i--) {
                String key = "key-" + chance.nextInt(5_000);
                if (chance.nextInt(4) == 0) {
                    editor.remove(key);
                    model.remove(key);
                } else {
                    Commit commit = commit(key, round);
                    editor.put(commit);
                    model.put(key, commit);
                }
            }
            heads = editor.done();
            if (round % 40 == 0) {
                taken.add(heads);
                expected.add(Map.copyOf(model));
            }
        }
        for (int i = 0; i < taken.size(); i++) {
            assertEquals(expected.get(i), all(taken.get(i)));
            assertEquals(expected.get(i).size(), taken.get(i).size());
        }
        assertNull(heads.get("never"));
        model.forEach((key, commit) -> assertEquals(commit, taken.get(9).get(key)));
    }

    @Test
    void aChangeOfOneKeyCopiesLittle() {
        Heads.Editor editor = Heads.EMPTY.edit();
        for (int i = 0; i < 100_000; i++) {
            editor.put(commit("service-" + i % 997 + ".setting-" + i, 1));
        }
        Heads heads = editor.done();
        assertEquals(100_000, heads.size());
        long begun = System.nanoTime();
        for (int i = 0; i < 2_000; i++) {
            Heads.Editor one = heads.edit();
            one.put(commit("service-0.setting-0", i + 2));
            heads = one.done();
        }
        double micros = (System.nanoTime() - begun) / 2_000e3;
        assertEquals(2_001, heads.get("service-0.setting-0").version());
        // Copying all keys takes milliseconds.
        org.junit.jupiter.api.Assertions.assertTrue(micros < 500, micros + " µs a change");
    }
}
