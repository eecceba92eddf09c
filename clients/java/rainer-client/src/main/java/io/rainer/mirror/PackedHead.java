package io.rainer.mirror;

/**
 * A key as of its newest commit, as batches and snapshots hold it. {@code revision} 0 where the source does not tell;
 * {@code data} is the commit in the ancestor's bytes, also of a removal, or for PARTS the list of its pieces.
 */
public record PackedHead(String key, long version, long revision, Kind kind, byte[] data) {
    /** What a record says of its key; the ordinal is the byte on the wire. */
    public enum Kind {
        /** There is a head. */
        HEAD,
        /** The key was removed. */
        REMOVED,
        /** There is a head, in pieces. */
        PARTS
    }
}
