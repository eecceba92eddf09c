package io.rainer;

import java.util.OptionalLong;

/**
 * Which heads are asked for; immutable.
 *
 * <pre>{@code HeadsQuery.nonEmpty().prefix("prices-").withoutPayloads()}</pre>
 *
 * @param prefix with which the keys begin; "" for all
 * @param includeEmpty whether removed keys are there, as empty commits
 * @param payloads whether the commits carry their payloads
 * @param at the revision whose moment is read; empty: now
 */
public record HeadsQuery(String prefix, boolean includeEmpty, boolean payloads, OptionalLong at) {

    /** All heads, removed keys as empty commits. */
    public static HeadsQuery all() {
        return new HeadsQuery("", true, true, OptionalLong.empty());
    }

    /** All heads but those of removed keys. */
    public static HeadsQuery nonEmpty() {
        return new HeadsQuery("", false, true, OptionalLong.empty());
    }

    /** The same of keys that begin so. */
    public HeadsQuery prefix(String beginning) {
        return new HeadsQuery(beginning, includeEmpty, payloads, at);
    }

    /** The same, every payload null. */
    public HeadsQuery withoutPayloads() {
        return new HeadsQuery(prefix, includeEmpty, false, at);
    }

    /** The same as of a past revision. */
    public HeadsQuery at(long revision) {
        return new HeadsQuery(prefix, includeEmpty, payloads, OptionalLong.of(revision));
    }
}
