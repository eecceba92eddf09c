package io.rainer.mirror;

import io.rainer.Commit;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.ToIntFunction;

/** A whole state as a source hands it over: heads, the versions of removed keys, and what cannot be taken. */
final class Arrived {
    final Map<String, Commit> heads = new LinkedHashMap<>();
    final Map<String, Integer> gone = new HashMap<>();
    final Map<String, String> bad = new HashMap<>();

    static Arrived of(Iterable<Incoming> found) {
        Arrived arrived = new Arrived();
        found.forEach(arrived::add);
        return arrived;
    }

    private void add(Incoming one) {
        String key = one.key();
        if (one.isBad() || one.isForgotten()) {
            bad.put(key, one.isBad() ? one.why() : "the bytes are no commit");
            return;
        }
        bad.remove(key);
        if (one.commit() == null) {
            gone.put(key, one.version());
            heads.remove(key);
        } else {
            heads.put(key, one.commit());
            gone.remove(key);
        }
    }

    /**
     * Keeps what is held of keys whose bytes are bad and, where no position tells order, of those that go back.
     *
     * @param version the newest version known of a key, also of a removed one
     */
    void keepGood(Heads held, ToIntFunction<String> version, boolean isOrdered) {
        if (!isOrdered) {
            heads.forEach((key, commit) -> {
                int known = version.applyAsInt(key);
                if (commit.version() < known) {
                    bad.put(key, "version " + commit.version() + " came after version " + known);
                }
            });
        }
        for (String key : bad.keySet()) {
            Commit old = held.get(key);
            if (old != null) {
                heads.put(key, old);
                continue;
            }
            heads.remove(key);
            if (version.applyAsInt(key) > 0) {
                gone.put(key, version.applyAsInt(key));
            }
        }
    }
}
