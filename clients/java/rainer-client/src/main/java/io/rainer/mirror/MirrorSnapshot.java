package io.rainer.mirror;

import io.rainer.Commit;
import io.rainer.Position;
import java.util.AbstractMap;
import java.util.AbstractSet;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * All non-empty heads of a namespace by key, as of one revision. Immutable, and free to take: it shares everything with
 * the mirror that it came from.
 */
public final class MirrorSnapshot extends AbstractMap<String, Commit> {
    private final State state;

    MirrorSnapshot(State state) {
        this.state = state;
    }

    /** The journal's position that this is of; empty before the first load and where the source tells none. */
    public Optional<Position> position() {
        return Optional.ofNullable(state.position());
    }

    /** The revision of {@link #position}, 0 where there is none. */
    public long revision() {
        return state.position() == null ? 0 : state.position().revision();
    }

    /** Keys whose newest bytes could not be taken, and why; what is shown of each is its last good value. */
    public Map<String, String> rejected() {
        return state.rejected();
    }

    @Override
    public Commit get(Object key) {
        return key instanceof String text ? state.heads().get(text) : null;
    }

    @Override
    public boolean containsKey(Object key) {
        return get(key) != null;
    }

    @Override
    public int size() {
        return state.heads().size();
    }

    @Override
    public Set<Entry<String, Commit>> entrySet() {
        return new Entries();
    }

    private final class Entries extends AbstractSet<Entry<String, Commit>> {
        @Override
        public int size() {
            return state.heads().size();
        }

        @Override
        public Iterator<Entry<String, Commit>> iterator() {
            Iterator<Commit> commits = state.heads().iterator();
            return new Iterator<>() {
                @Override
                public boolean hasNext() {
                    return commits.hasNext();
                }

                @Override
                public Entry<String, Commit> next() {
                    Commit commit = commits.next();
                    return Map.entry(commit.key(), commit);
                }
            };
        }
    }
}
