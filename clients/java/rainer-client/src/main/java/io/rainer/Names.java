package io.rainer;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Which keys, namespaces, versions, authors, comments and commit ids the journal takes.
 *
 * <p>A key must be a name that ZooKeeper takes as well, for each head becomes a znode: hence no slash, no control
 * characters, nothing beyond the Basic Multilingual Plane. Every check returns what it was given or throws an
 * {@link InvalidException} that names the value and the rule.
 */
public final class Names {
    /** The namespace that always exists. */
    public static final String DEFAULT_NAMESPACE = "diary";

    private static final Pattern NAMESPACE = Pattern.compile("[a-z][a-z0-9._-]*");
    private static final Pattern VERSION = Pattern.compile("[1-9][0-9]{0,9}");
    private static final int SHOWN_CHARS_MAX = 60;

    private Names() {}

    /** 1 to 255 bytes of UTF-8 that the journal and ZooKeeper can name. */
    public static String checkKey(String key) {
        String why = whyNotKey(key);
        if (why != null) {
            throw new InvalidException(
                    "key " + shorten(key) + " is not allowed: " + why,
                    "a key is 1 to 255 bytes of UTF-8 without '/', control characters or characters beyond U+FFEF",
                    Map.of());
        }
        int size = key.getBytes(StandardCharsets.UTF_8).length;
        if (size > Limits.KEY_BYTES_MAX) {
            throw new InvalidException("key " + shorten(key) + " has " + size + " bytes, over the "
                    + Limits.KEY_BYTES_MAX + " that a key may have");
        }
        return key;
    }

    private static String whyNotKey(String key) {
        if (key.isEmpty()) {
            return "it is empty";
        }
        if (key.equals(".") || key.equals("..")) {
            return "'.' and '..' are not names";
        }
        int bad = key.codePoints().filter(c -> !isOfKey(c)).findFirst().orElse(-1);
        if (bad < 0) {
            return null;
        }
        return bad == '/' ? "it holds a '/'" : String.format("it holds U+%04X", bad);
    }

    private static boolean isOfKey(int c) {
        boolean isControl = c <= 0x1f || (c >= 0x7f && c <= 0x9f);
        return c != '/' && !isControl && !(c >= 0xd800 && c <= 0xf8ff) && c < 0xfff0;
    }

    /** 1 to 64 of {@code a-z 0-9 . _ -}, beginning with a letter. */
    public static String checkNamespace(String name) {
        if (name.length() > Limits.NAMESPACE_CHARS_MAX || !NAMESPACE.matcher(name).matches()) {
            throw new InvalidException(
                    "namespace " + shorten(name) + " is not allowed",
                    "a namespace is 1 to 64 of a-z 0-9 . _ - and begins with a letter",
                    Map.of());
        }
        return name;
    }

    /** 1 to 2147483647. */
    public static int checkVersion(int version) {
        if (version < 1) {
            throw notVersion(Integer.toString(version), null);
        }
        return version;
    }

    /** Read a version written in plain decimal, 1 to 2147483647, no sign and no leading zero. */
    public static int parseVersion(String text) {
        if (VERSION.matcher(text).matches()) {
            try {
                return Integer.parseInt(text);
            } catch (NumberFormatException tooLarge) {
                // said below
            }
        }
        throw notVersion(shorten(text), "versions are written in plain decimal without leading zeros");
    }

    private static InvalidException notVersion(String shown, String hint) {
        return new InvalidException(
                "version " + shown + " is not a whole number from 1 to " + Limits.VERSION_MAX, hint, Map.of());
    }

    /** 1 to 1,000 bytes of text on one line. */
    public static String checkAuthor(String author) {
        if (author.isEmpty()) {
            throw new InvalidException("the author is empty", "name who makes this commit", Map.of());
        }
        checkText("author", author, Limits.AUTHOR_BYTES_MAX);
        author.chars().filter(c -> c <= 0x1f || (c >= 0x7f && c <= 0x9f)).findFirst().ifPresent(bad -> {
            throw new InvalidException(
                    String.format("the author %s holds the control character U+%04X", shorten(author), bad));
        });
        return author;
    }

    /** At most 65,536 bytes of text without NUL; it may be empty and have several lines. */
    public static String checkComment(String comment) {
        checkText("comment", comment, Limits.COMMENT_BYTES_MAX);
        return comment;
    }

    private static void checkText(String what, String text, int bytesMax) {
        checkWhole(what, text);
        int size = text.getBytes(StandardCharsets.UTF_8).length;
        if (size > bytesMax) {
            throw new TooLargeException(
                    "the " + what + " has " + size + " bytes, over the limit of " + bytesMax,
                    null,
                    Map.of("limit", bytesMax));
        }
        if (text.indexOf('\0') >= 0) {
            throw new InvalidException(
                    "the " + what + " holds U+0000, which not every database can keep", "remove the NUL", Map.of());
        }
    }

    /** InvalidException for half a character, which no database and no wire would take. */
    static void checkWhole(String what, String text) {
        text.codePoints().filter(c -> c >= 0xd800 && c <= 0xdfff).findFirst().ifPresent(half -> {
            throw new InvalidException(
                    String.format("the %s holds a lone surrogate, U+%04X, which is not text", what, half));
        });
    }

    /** 1 to 64 visible ASCII characters. */
    public static String checkCommitId(String commitId) {
        boolean isVisible = commitId.chars().allMatch(c -> c >= 0x21 && c <= 0x7e);
        if (commitId.isEmpty() || commitId.length() > Limits.COMMIT_ID_CHARS_MAX || !isVisible) {
            throw new InvalidException(
                    "commit id " + shorten(commitId) + " is not allowed",
                    "1 to 64 visible ASCII characters, such as a UUID",
                    Map.of());
        }
        return commitId;
    }

    /** Text in quotation marks for an error message, with what cannot be printed as escapes. */
    static String quoted(String text) {
        return quoted(text, false);
    }

    /** Quote text for an error message, cut to 60 characters, with anything beyond printable ASCII escaped. */
    public static String shorten(String text) {
        return shorten(text, SHOWN_CHARS_MAX);
    }

    /** The same, cut to {@code charsMax}. */
    public static String shorten(String text, int charsMax) {
        boolean isLong = text.codePointCount(0, text.length()) > charsMax;
        String cut = isLong ? text.substring(0, text.offsetByCodePoints(0, charsMax)) : text;
        return quoted(cut, true) + (isLong ? "…" : "");
    }

    /** As Python quotes it, for messages are the same in every language. */
    private static String quoted(String text, boolean isAscii) {
        char mark = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        StringBuilder out = new StringBuilder().append(mark);
        text.codePoints().forEach(c -> {
            if (c == mark || c == '\\') {
                out.append('\\').append((char) c);
            } else if (c >= ' ' && c < 0x7f || c > 0xa0 && !isAscii && isPrintable(c)) {
                out.appendCodePoint(c);
            } else {
                out.append(escaped(c));
            }
        });
        return out.append(mark).toString();
    }

    private static String escaped(int c) {
        return switch (c) {
            case '\n' -> "\\n";
            case '\r' -> "\\r";
            case '\t' -> "\\t";
            default -> String.format(c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
        };
    }

    private static boolean isPrintable(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL, Character.FORMAT, Character.SURROGATE, Character.UNASSIGNED, Character.PRIVATE_USE,
                    Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR, Character.SPACE_SEPARATOR -> false;
            default -> true;
        };
    }
}
