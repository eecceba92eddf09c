package io.rainer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * One version of one key, immutable.
 *
 * @param version counts the key's commits 1, 2, 3 … without gaps
 * @param revision the commit's place in the journal; empty where the source does not tell (an ancestor's server or tree)
 * @param payload the bytes, verbatim; zero bytes are a payload. Null where {@code isEmpty}, and where commits were asked
 *     for without their payloads. Copied on the way in and out; {@link #payloadBuffer} and {@link #payloadText} do not
 * @param isEmpty a removal that keeps its history
 * @param author one line of text
 * @param comment free text, of several lines perhaps
 * @param mtime the author's word about time, in whole milliseconds
 * @param marks what the server says of it (forced, approved by whom); empty where nothing is said, or the source does not
 *     tell. Equality does not ask
 */
public record Commit(
        String namespace,
        String key,
        int version,
        OptionalLong revision,
        byte[] payload,
        boolean isEmpty,
        String author,
        String comment,
        Instant mtime,
        Optional<Marks> marks) {

    /** A commit; InvalidException for an empty one with a payload. */
    public Commit {
        Objects.requireNonNull(namespace, "namespace");
        Objects.requireNonNull(key, "key");
        Objects.requireNonNull(revision, "revision");
        Objects.requireNonNull(author, "author");
        Objects.requireNonNull(comment, "comment");
        Objects.requireNonNull(mtime, "mtime");
        Objects.requireNonNull(marks, "marks");
        if (isEmpty && payload != null) {
            throw new InvalidException(
                    "commit " + Names.shorten(key) + " " + version + ": an empty commit has no payload");
        }
        payload = payload == null ? null : payload.clone();
    }

    /** A commit without marks. */
    public Commit(
            String namespace,
            String key,
            int version,
            OptionalLong revision,
            byte[] payload,
            boolean isEmpty,
            String author,
            String comment,
            Instant mtime) {
        this(namespace, key, version, revision, payload, isEmpty, author, comment, mtime, Optional.empty());
    }

    /** A copy of the payload's bytes; null where there are none. */
    @Override
    public byte[] payload() {
        return payload == null ? null : payload.clone();
    }

    /** The payload's bytes without a copy, read-only; null where there are none. */
    public ByteBuffer payloadBuffer() {
        return payload == null ? null : ByteBuffer.wrap(payload).asReadOnlyBuffer();
    }

    /** The payload as UTF-8 text, broken bytes replaced; null where there is no payload. */
    public String payloadText() {
        return payload == null ? null : new String(payload, StandardCharsets.UTF_8);
    }

    /** The size of the payload in bytes, 0 where there is none. */
    public int payloadLength() {
        return payload == null ? 0 : payload.length;
    }

    /** Whether another commit has the same payload, or none as this one. */
    public boolean hasPayload(byte[] bytes) {
        return Arrays.equals(payload, bytes);
    }

    /** Equal in every member but marks, payloads by their bytes. */
    @Override
    public boolean equals(Object other) {
        return other instanceof Commit that
                && version == that.version
                && isEmpty == that.isEmpty
                && key.equals(that.key)
                && namespace.equals(that.namespace)
                && revision.equals(that.revision)
                && author.equals(that.author)
                && comment.equals(that.comment)
                && mtime.equals(that.mtime)
                && Arrays.equals(payload, that.payload);
    }

    @Override
    public int hashCode() {
        return Objects.hash(namespace, key, version, revision, author, comment, mtime) * 31 + Arrays.hashCode(payload);
    }

    /** Namespace, key, version and what else fits a line; not the payload. */
    @Override
    public String toString() {
        String what = isEmpty ? "empty" : payload == null ? "payload not read" : payload.length + " bytes";
        String place = revision.isPresent() ? ", revision " + revision.getAsLong() : "";
        return "Commit[" + namespace + "/" + key + " " + version + place + ", " + what + ", by " + author + "]";
    }
}
