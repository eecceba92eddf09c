package io.rainer;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.Month;
import java.time.OffsetDateTime;
import java.time.Year;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.time.temporal.ChronoUnit;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Times on the wire: ISO 8601, written in UTC with milliseconds and {@code Z}; years 0001 to 9999 of UTC. */
public final class Times {
    private static final Instant MIN = Instant.parse("0001-01-01T00:00:00Z");
    private static final Instant MAX = Instant.parse("9999-12-31T23:59:59.999999999Z");
    private static final String PLAIN = "0000-00-00T00:00:00.000Z";
    private static final Pattern SHAPE = Pattern.compile(
            "(?<date>\\d{4}-\\d\\d-\\d\\d)[Tt ](?<time>\\d\\d:\\d\\d)(?<second>:\\d\\d)?(?:[.,](?<fraction>\\d{1,9}))?"
                    + "(?:[Zz]|(?<hours>[+-]\\d\\d)(?::?(?<minutes>\\d\\d))?)");
    private static final DateTimeFormatter WRITTEN = new DateTimeFormatterBuilder()
            .appendPattern("uuuu-MM-dd'T'HH:mm:ss")
            .appendFraction(ChronoField.MILLI_OF_SECOND, 3, 3, true)
            .appendLiteral('Z')
            .toFormatter(Locale.ROOT)
            .withZone(ZoneOffset.UTC);

    private Times() {}

    /**
     * The moment that an ISO 8601 date and time with an offset names, digits beyond milliseconds cut.
     *
     * @throws InvalidException for anything else
     */
    public static Instant parse(String text) {
        Instant plain = parsePlain(text);
        return plain != null ? plain : parseAny(text);
    }

    /** What {@link #format} wrote, which nearly all times are, ten times as fast; null for anything else. */
    private static Instant parsePlain(String text) {
        if (text.length() != PLAIN.length()) {
            return null;
        }
        for (int i = 0; i < PLAIN.length(); i++) {
            char c = text.charAt(i);
            boolean isRight = PLAIN.charAt(i) == '0' ? c >= '0' && c <= '9' : c == PLAIN.charAt(i);
            if (!isRight) {
                return null;
            }
        }
        int year = number(text, 0, 4);
        int month = number(text, 5, 7);
        int day = number(text, 8, 10);
        int hour = number(text, 11, 13);
        int minute = number(text, 14, 16);
        int second = number(text, 17, 19);
        boolean isDay = year > 0 && month >= 1 && month <= 12 && day >= 1
                && day <= Month.of(month).length(Year.isLeap(year));
        if (!isDay || hour > 23 || minute > 59 || second > 59) {
            return null;
        }
        long seconds = LocalDate.of(year, month, day).toEpochDay() * 86_400 + hour * 3_600 + minute * 60 + second;
        return Instant.ofEpochSecond(seconds, number(text, 20, 23) * 1_000_000L);
    }

    private static int number(String text, int begin, int end) {
        int found = 0;
        for (int i = begin; i < end; i++) {
            found = found * 10 + text.charAt(i) - '0';
        }
        return found;
    }

    private static Instant parseAny(String text) {
        Matcher parts = SHAPE.matcher(text);
        if (parts.matches() && (parts.group("fraction") == null || parts.group("second") != null)) {
            try {
                return check(OffsetDateTime.parse(plain(parts)).toInstant().truncatedTo(ChronoUnit.MILLIS));
            } catch (DateTimeException | InvalidException e) {
                // no such day, or in UTC not in the years that can be written: said below
            }
        }
        throw new InvalidException(
                "time " + Names.shorten(text) + " is not ISO 8601 with an offset",
                "write it like 2026-01-31T12:34:56.789Z",
                Map.of());
    }

    private static String plain(Matcher parts) {
        String second = parts.group("second") == null ? ":00" : parts.group("second");
        String fraction = parts.group("fraction") == null ? "" : "." + parts.group("fraction");
        String zone = "Z";
        if (parts.group("hours") != null) {
            zone = parts.group("hours") + ":" + (parts.group("minutes") == null ? "00" : parts.group("minutes"));
        }
        return parts.group("date") + "T" + parts.group("time") + second + fraction + zone;
    }

    /** A moment as {@code 1970-01-01T00:00:00.002Z}, the ancestor's form; what is finer than milliseconds is cut. */
    public static String format(Instant moment) {
        return WRITTEN.format(check(moment));
    }

    /** The moment, cut to milliseconds; InvalidException for one outside the years 0001 to 9999 of UTC. */
    public static Instant check(Instant moment) {
        if (moment.isBefore(MIN) || moment.isAfter(MAX)) {
            throw new InvalidException("time " + moment + " is not in the years 0001 to 9999 of UTC");
        }
        return moment.truncatedTo(ChronoUnit.MILLIS);
    }
}
