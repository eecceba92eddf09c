package io.rainer;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where in which life of a journal something was read: equal positions mean equal history, also across a restored
 * backup.
 *
 * @param lineage one life of a journal, a UUID
 * @param revision a commit's place in the whole journal, 1, 2, 3 …; 0 before the first
 * @param chain the hash of the commit at {@code revision}, 64 hexadecimal digits, all zero at revision 0
 */
public record Position(String lineage, long revision, String chain) {
    /** What stands before the first commit. */
    public static final String GENESIS = "0".repeat(64);

    private static final Pattern TEXT =
            Pattern.compile("([0-9a-f-]{36}):(0|[1-9][0-9]{0,18}):([0-9a-f]{64})");

    /** Read {@code LINEAGE:REVISION:CHAIN} as printed by {@code rainer status} and {@code rainer verify}. */
    public static Position parse(String text) {
        Matcher parts = TEXT.matcher(text.strip());
        if (parts.matches()) {
            try {
                return new Position(parts.group(1), Long.parseLong(parts.group(2)), parts.group(3));
            } catch (NumberFormatException beyondLong) {
                // said below
            }
        }
        throw new InvalidException(
                "position " + Names.shorten(text) + " is not LINEAGE:REVISION:CHAIN",
                "copy the line that `rainer verify` printed",
                java.util.Map.of());
    }

    /** The form that {@link #parse} reads. */
    @Override
    public String toString() {
        return lineage + ":" + revision + ":" + chain;
    }
}
