package io.rainer.mirror;

import io.rainer.Commit;
import io.rainer.InvalidException;
import io.rainer.Times;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.OptionalLong;

/**
 * Reads a commit's bytes in exactly the form that all programs of the project write, with texts of ASCII and nothing
 * escaped: nearly all of them. A load of 100,000 reads each once, in a program that has just begun, where a parser of any
 * JSON costs three times as much. Whatever is not of that form is left to it.
 */
final class PlainCommit {
    private static final byte[] KEY = ascii("{\"key\":\"");
    private static final byte[] VERSION = ascii("\",\"version\":");
    private static final byte[] AUTHOR = ascii(",\"author\":\"");
    private static final byte[] COMMENT = ascii("\",\"comment\":\"");
    private static final byte[] MTIME = ascii("\",\"mtime\":\"");
    private static final byte[] END = ascii("\",\"empty\":false}\n");
    private static final int TIME_BYTES = 24;
    private static final int DIGITS_MAX = 9;

    private final byte[] data;
    private int at;

    private PlainCommit(byte[] data) {
        this.data = data;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    /** The commit; null where the bytes are of another form, or not this key's. */
    static Commit read(String key, byte[] data, String namespace, OptionalLong revision) {
        return new PlainCommit(data).read(key, namespace, revision);
    }

    private Commit read(String key, String namespace, OptionalLong revision) {
        int headerBytes = number();
        int begin = at + 1;
        boolean hasKey = headerBytes > 0 && skip((byte) '\n') && skip(KEY) && skip(key.getBytes(StandardCharsets.UTF_8));
        if (!hasKey || !skip(VERSION)) {
            return null;
        }
        int version = number();
        String author = version > 0 && skip(AUTHOR) ? text() : null;
        String comment = author != null && skip(COMMENT) ? text() : null;
        if (comment == null || !skip(MTIME) || data.length - at < TIME_BYTES) {
            return null;
        }
        String mtime = new String(data, at, TIME_BYTES, StandardCharsets.ISO_8859_1);
        at += TIME_BYTES;
        boolean isWhole = skip(END) && at == begin + headerBytes + 1 && at < data.length && data[data.length - 1] == '\n';
        if (!isWhole) {
            return null;
        }
        try {
            return new Commit(namespace, key, version, revision, Arrays.copyOfRange(data, at, data.length - 1), false,
                    author, comment, Times.parse(mtime));
        } catch (InvalidException e) {
            return null;
        }
    }

    private boolean skip(byte expected) {
        return at < data.length && data[at++] == expected;
    }

    private boolean skip(byte[] expected) {
        boolean isThere = data.length - at >= expected.length
                && Arrays.equals(data, at, at + expected.length, expected, 0, expected.length);
        at += expected.length;
        return isThere;
    }

    /** A number of up to nine digits without a zero before it; -1 where there is none. */
    private int number() {
        int begin = at;
        int found = 0;
        while (at < data.length && data[at] >= '0' && data[at] <= '9' && at - begin < DIGITS_MAX) {
            found = found * 10 + data[at++] - '0';
        }
        return at > begin && data[begin] != '0' ? found : -1;
    }

    /** What stands before the next quotation mark; null where that holds anything escaped or beyond ASCII. */
    private String text() {
        int begin = at;
        while (at < data.length && data[at] != '"') {
            if (data[at] < ' ' || data[at] == '\\') {
                return null;
            }
            at++;
        }
        return begin == at ? "" : new String(data, begin, at - begin, StandardCharsets.ISO_8859_1);
    }
}
