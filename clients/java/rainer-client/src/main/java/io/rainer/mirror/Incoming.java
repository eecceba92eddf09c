package io.rainer.mirror;

import io.rainer.Commit;
import io.rainer.CommitSerialization;
import io.rainer.CorruptException;
import java.util.OptionalLong;

/**
 * A key as a source hands it over, judged already. One of: a head ({@code commit}), a removal (neither {@code commit} nor
 * {@code why}), a key that is to be forgotten, version and all, for the journal never had it ({@code isForgotten}), or
 * bytes that cannot be taken ({@code why}).
 */
public record Incoming(String key, int version, Commit commit, boolean isForgotten, String why) {
    /** A head. */
    public static Incoming head(Commit commit) {
        return new Incoming(commit.key(), commit.version(), commit, false, null);
    }

    /** A removal by its version. */
    public static Incoming removal(String key, int version) {
        return new Incoming(key, version, null, false, null);
    }

    /** A key of which any version may follow; counts only in a repair. */
    public static Incoming forgotten(String key) {
        return new Incoming(key, 0, null, true, null);
    }

    /** A key whose bytes nobody can take. */
    public static Incoming bad(String key, String why) {
        return new Incoming(key, 0, null, false, why);
    }

    /**
     * What a packed head says; PARTS must have been joined. A head of version 0 is whatever its bytes say; otherwise
     * version and kind must be theirs.
     */
    public static Incoming of(PackedHead head, String namespace) {
        boolean isRemoved = head.kind() == PackedHead.Kind.REMOVED;
        if (isRemoved && head.version() == 0 && head.data().length == 0) {
            return forgotten(head.key());
        }
        try {
            Commit commit = read(head.key(), head.data(), namespace, head.revision());
            if (head.version() != 0 && commit.version() != head.version()) {
                return bad(head.key(), "the bytes are of version " + commit.version() + ", not of version "
                        + head.version());
            }
            if (head.version() != 0 && commit.isEmpty() != isRemoved) {
                return bad(head.key(), "the bytes of version " + commit.version()
                        + " and what was told of them differ in whether it is empty");
            }
            return commit.isEmpty() ? removal(head.key(), commit.version()) : head(commit);
        } catch (CorruptException e) {
            return bad(head.key(), e.getMessage());
        }
    }

    /** The same of a node's bytes alone. */
    public static Incoming of(String key, byte[] data, String namespace) {
        return of(new PackedHead(key, 0, 0, PackedHead.Kind.HEAD, data), namespace);
    }

    private static Commit read(String key, byte[] data, String namespace, long revision) {
        OptionalLong place = revision > 0 ? OptionalLong.of(revision) : OptionalLong.empty();
        Commit plain = PlainCommit.read(key, data, namespace, place);
        if (plain != null) {
            return plain;
        }
        Commit commit = CommitSerialization.fromBytes(data, namespace);
        if (!commit.key().equals(key)) {
            throw new CorruptException("the bytes are of another key, " + commit.key());
        }
        return at(place, commit);
    }

    private static Commit at(OptionalLong revision, Commit of) {
        return new Commit(of.namespace(), of.key(), of.version(), revision, of.payload(), of.isEmpty(), of.author(),
                of.comment(), of.mtime(), of.marks());
    }

    boolean isBad() {
        return why != null;
    }
}
