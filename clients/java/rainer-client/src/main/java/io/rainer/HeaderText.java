package io.rainer;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.regex.Pattern;

/**
 * Text in HTTP headers: bytes that are valid UTF-8 are read as UTF-8, others as Latin-1.
 *
 * <p>Going out, Latin-1 is used where it would be read back as the same text (old JVM clients read Latin-1), else UTF-8.
 */
public final class HeaderText {
    private static final Pattern CONTROLS = Pattern.compile("[\\x00-\\x1f\\x7f]");
    private static final Pattern LINES = Pattern.compile("[ \\t]*(?:\\r\\n|[\\r\\n])[ \\t]*");

    private HeaderText() {}

    /**
     * Bytes for a header.
     *
     * @param isWhole whether they carry all of the text; where not, the JSON metadata has the rest
     */
    public record Encoded(byte[] bytes, boolean isWhole) {
        /** Whether the JDK's HTTP client can send them: it writes headers in ASCII alone. */
        boolean isSendable() {
            for (byte one : bytes) {
                if (one < 0) {
                    return false;
                }
            }
            return isWhole;
        }

        String ascii() {
            return new String(bytes, StandardCharsets.US_ASCII);
        }
    }

    /** The text of a header's bytes; never fails. */
    public static String decode(byte[] raw) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(raw)).toString();
        } catch (CharacterCodingException e) {
            return new String(raw, StandardCharsets.ISO_8859_1);
        }
    }

    /**
     * Header bytes for a text.
     *
     * <p>Line breaks become one space, other control characters vanish, spaces at the ends are lost, and anything over
     * 4,096 bytes is cut at a character.
     */
    public static Encoded encode(String text) {
        String shown = CONTROLS.matcher(LINES.matcher(text).replaceAll(" ")).replaceAll("").strip();
        byte[] raw = narrowest(shown);
        if (raw.length > Limits.HEADER_TEXT_BYTES_MAX) {
            raw = cut(shown.getBytes(StandardCharsets.UTF_8));
            return new Encoded(raw, false);
        }
        return new Encoded(raw, shown.equals(text));
    }

    private static byte[] narrowest(String text) {
        if (StandardCharsets.ISO_8859_1.newEncoder().canEncode(text)) {
            byte[] raw = text.getBytes(StandardCharsets.ISO_8859_1);
            if (decode(raw).equals(text)) {
                return raw;
            }
        }
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] cut(byte[] raw) {
        int end = Limits.HEADER_TEXT_BYTES_MAX;
        while (end > 0 && end < raw.length && (raw[end] & 0xc0) == 0x80) {
            end--;
        }
        return Arrays.copyOf(raw, Math.min(end, raw.length));
    }
}
