package io.rainer.mirror;

import io.rainer.Commit;
import java.util.AbstractMap;
import java.util.Set;
import java.util.function.Supplier;

/** What a mirror holds now, as a map that cannot be written: each call, and each iteration, is of one moment. */
final class LiveHeads extends AbstractMap<String, Commit> {
    private final Supplier<MirrorSnapshot> now;

    LiveHeads(Supplier<MirrorSnapshot> now) {
        this.now = now;
    }

    @Override
    public Commit get(Object key) {
        return now.get().get(key);
    }

    @Override
    public boolean containsKey(Object key) {
        return now.get().containsKey(key);
    }

    @Override
    public int size() {
        return now.get().size();
    }

    @Override
    public Set<Entry<String, Commit>> entrySet() {
        return now.get().entrySet();
    }
}
