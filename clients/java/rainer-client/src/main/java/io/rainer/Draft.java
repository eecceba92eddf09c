package io.rainer;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;

/**
 * A commit as asked for, checked when it is made; immutable.
 *
 * <pre>{@code Draft.of("prices", 4, bytes).withComment("the new list")}</pre>
 *
 * <p>What is wrong with a member is an {@link InvalidException} that names the value and the rule, or its
 * {@link TooLargeException}.
 *
 * @param namespace null: the client's
 * @param version the head's plus one, 1 for a new key
 * @param payload null: the key is removed. Copied on the way in and out
 * @param author null: the client's
 * @param comment may be empty and have several lines
 * @param mtime null: the server's clock; cut to milliseconds
 */
public record Draft(
        String namespace, String key, int version, byte[] payload, String author, String comment, Instant mtime) {

    /** A draft, checked. */
    public Draft {
        if (namespace != null) {
            Names.checkNamespace(namespace);
        }
        Names.checkKey(key);
        Names.checkVersion(version);
        if (author != null) {
            Names.checkAuthor(author);
        }
        Names.checkComment(comment);
        mtime = mtime == null ? null : Times.check(mtime);
        if (payload != null && payload.length > Limits.PAYLOAD_BYTES_CEILING) {
            throw new TooLargeException(
                    "the payload has " + payload.length + " bytes; no namespace takes more than "
                            + Limits.PAYLOAD_BYTES_CEILING,
                    null,
                    Map.of("limit", Limits.PAYLOAD_BYTES_CEILING));
        }
        payload = payload == null ? null : payload.clone();
    }

    /** That payload as that version of a key, by the client's author, without a comment. */
    public static Draft of(String key, int version, byte[] payload) {
        return new Draft(null, key, version, Objects.requireNonNull(payload, "payload"), null, "", null);
    }

    /** The same with the UTF-8 of a text as its payload. */
    public static Draft of(String key, int version, String payload) {
        return of(key, version, payload.getBytes(StandardCharsets.UTF_8));
    }

    /** A removal, which keeps the key's history. */
    public static Draft removal(String key, int version) {
        return new Draft(null, key, version, null, null, "", null);
    }

    /** The same in another namespace than the client's. */
    public Draft withNamespace(String name) {
        return new Draft(name, key, version, payload, author, comment, mtime);
    }

    /** The same by another author than the client's. */
    public Draft withAuthor(String who) {
        return new Draft(namespace, key, version, payload, who, comment, mtime);
    }

    /** The same with a comment. */
    public Draft withComment(String why) {
        return new Draft(namespace, key, version, payload, author, why, mtime);
    }

    /** The same with the author's word about time. */
    public Draft withMtime(Instant moment) {
        return new Draft(namespace, key, version, payload, author, comment, moment);
    }

    /** A copy of the payload's bytes; null for a removal. */
    @Override
    public byte[] payload() {
        return payload == null ? null : payload.clone();
    }

    /** The bytes themselves, for those in this package who do not change them. */
    byte[] bytes() {
        return payload;
    }

    /** The draft with what it leaves open filled in; InvalidException where nobody names an author. */
    Draft completed(String defaultNamespace, String defaultAuthor) {
        if (namespace != null && author != null) {
            return this;
        }
        String who = author == null ? defaultAuthor : author;
        if (who == null) {
            throw new InvalidException(
                    "nobody is named as the author", "give the draft or the client an author", Map.of());
        }
        String where = namespace == null ? defaultNamespace : namespace;
        return new Draft(where, key, version, payload, who, comment, mtime);
    }

    /** Equal in every member, payloads by their bytes. */
    @Override
    public boolean equals(Object other) {
        return other instanceof Draft that
                && version == that.version
                && key.equals(that.key)
                && Objects.equals(namespace, that.namespace)
                && Objects.equals(author, that.author)
                && comment.equals(that.comment)
                && Objects.equals(mtime, that.mtime)
                && Arrays.equals(payload, that.payload);
    }

    @Override
    public int hashCode() {
        return Objects.hash(namespace, key, version, author, comment, mtime) * 31 + Arrays.hashCode(payload);
    }

    /** Key, version and size; not the payload. */
    @Override
    public String toString() {
        return "Draft[" + key + " " + version + (payload == null ? ", removal" : ", " + payload.length + " bytes") + "]";
    }
}
