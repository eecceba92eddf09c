package io.rainer.mirror;

import io.rainer.Position;
import java.util.Map;

/** All that a mirror shows at one moment; readers take it through one pointer. {@code position} may be null. */
record State(Heads heads, Position position, Map<String, String> rejected, long generation) {
    static final State EMPTY = new State(Heads.EMPTY, null, Map.of(), 0);

    State rejecting(Map<String, String> now) {
        return new State(heads, position, Map.copyOf(now), generation);
    }
}
