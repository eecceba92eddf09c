package io.rainer.mirror;

import io.rainer.Commit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Changes on top of what is held, before anybody sees them. */
final class Staged {
    final Heads.Editor heads;
    final Map<String, String> rejected;
    final List<Change> changes = new ArrayList<>();
    private final Heads before;
    private final Map<String, Integer> gone;
    private final Map<String, Commit> now = new HashMap<>();

    Staged(Heads before, Map<String, Integer> gone, Map<String, String> rejected) {
        this.before = before;
        this.gone = gone;
        this.rejected = rejected;
        heads = before.edit();
    }

    int version(String key) {
        Commit held = held(key);
        return held != null ? held.version() : gone.getOrDefault(key, 0);
    }

    private Commit held(String key) {
        return now.containsKey(key) ? now.get(key) : before.get(key);
    }

    void add(Incoming one) {
        String key = one.key();
        Commit old = held(key);
        Commit commit = one.commit();
        if (old != null || commit != null) {
            changes.add(new Change(key, old, commit));
        }
        now.put(key, commit);
        rejected.remove(key);
        if (commit != null) {
            heads.put(commit);
            gone.remove(key);
        } else {
            heads.remove(key);
            gone.put(key, one.version());
        }
    }
}
