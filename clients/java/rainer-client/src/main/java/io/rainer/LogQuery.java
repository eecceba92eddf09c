package io.rainer;

import java.util.OptionalInt;

/**
 * Which part of a key's history is asked for; immutable.
 *
 * @param before the version below which it begins; empty: at the head
 * @param limit how many commits at most; empty: all
 * @param payloads whether the commits carry their payloads
 */
public record LogQuery(OptionalInt before, OptionalInt limit, boolean payloads) {
    /** InvalidException for a negative limit. */
    public LogQuery {
        if (limit.orElse(0) < 0) {
            throw new InvalidException("limit " + limit.getAsInt() + " is negative");
        }
    }

    /** The whole history, with payloads. */
    public static LogQuery all() {
        return new LogQuery(OptionalInt.empty(), OptionalInt.empty(), true);
    }

    /** The same, at most so many commits. */
    public LogQuery limit(int commits) {
        return new LogQuery(before, OptionalInt.of(commits), payloads);
    }

    /** The same from below a version. */
    public LogQuery before(int version) {
        return new LogQuery(OptionalInt.of(version), limit, payloads);
    }

    /** The same, every payload null. */
    public LogQuery withoutPayloads() {
        return new LogQuery(before, limit, false);
    }
}
