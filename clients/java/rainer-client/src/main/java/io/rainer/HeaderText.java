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
        String shown = CONTROLS.matcher(LINES.matcher(text).replaceAll(" ")).replaceAll("");
        shown = stripped(shown);
        byte[] raw = narrowest(shown);
        if (raw.length > Limits.HEADER_TEXT_BYTES_MAX) {
            raw = cut(shown.getBytes(StandardCharsets.UTF_8));
            return new Encoded(raw, false);
        }
        return new Encoded(raw, shown.equals(text));
    }

    /** Without what Python calls blanks at its ends: to the JDK, those that do not break are none. */
    private static String stripped(String text) {
        int end = text.length();
        while (end > 0 && isBlank(text.charAt(end - 1))) {
            end--;
        }
        int begin = 0;
        while (begin < end && isBlank(text.charAt(begin))) {
            begin++;
        }
        return text.substring(begin, end);
    }

    private static boolean isBlank(char c) {
        return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0x85;
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
