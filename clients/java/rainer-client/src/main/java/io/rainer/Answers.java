package io.rainer;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Answers that grant, turned into commits and pages, token by token; an ancestor's lack some members.
 *
 * <p>Whatever is not as a Rainer server answers is an InvalidException that says so.
 */
final class Answers {
    private Answers() {}

    /** A commit, and whether author and comment are whole in it. */
    record FromHeaders(Commit commit, boolean isWhole) {}

    /** Commits in the order of the answer, and whether there are more. */
    record Page(List<Commit> commits, boolean more) {}

    /**
     * The commit that a GET of a key answered.
     *
     * <p>An ancestor writes what Latin-1 lacks as a question mark and does not say so: there, only plain text is whole.
     * The key is the one asked for, for the same reason.
     */
    static FromHeaders commitOfHeaders(Answer answer, String key, String namespace) {
        String encoding = answer.header("content-encoding").strip();
        if (!encoding.isEmpty() && !encoding.equalsIgnoreCase("identity")) {
            throw Refusals.foreign(answer, "its payload comes packed as " + Names.shorten(encoding) + ", unasked");
        }
        try {
            String author = answer.text("x-rainer-author");
            String comment = answer.text("x-rainer-comment");
            String empty = answer.header("x-rainer-empty").strip().toLowerCase(Locale.ROOT);
            boolean isEmpty = List.of("yes", "true", "1").contains(empty);
            int version = Names.parseVersion(answer.header("x-rainer-version").strip());
            Instant mtime = Times.parse(answer.header("x-rainer-modified-time").strip());
            Commit commit = new Commit(
                    namespace, key, version, answer.number("x-rainer-commit-revision"),
                    isEmpty ? null : answer.body(), isEmpty, author, comment, mtime,
                    Marks.ofHeader(answer.header("x-rainer-marks")));
            boolean isPartial = answer.header("x-rainer-meta").strip().equalsIgnoreCase("partial");
            boolean isPlain = (author + comment).chars().allMatch(c -> c < 0x80 && c != '?');
            return new FromHeaders(commit, answer.isAncestors() ? isPlain : !isPartial);
        } catch (InvalidException e) {
            throw Refusals.foreign(answer, "a header cannot be read: " + e.getMessage());
        }
    }

    /** The commit of an answer that is its metadata. */
    static Commit commitOfMeta(Answer answer, String namespace) {
        return parsed(answer, parser -> Meta.read(parser, false).commit(namespace));
    }

    /** The commits of a list: key to metadata. */
    static List<Commit> commitsOfList(Answer answer, String namespace) {
        return parsed(answer, parser -> {
            List<Commit> commits = new ArrayList<>();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                parser.nextToken();
                commits.add(Meta.read(parser, false).commit(namespace));
            }
            return commits;
        });
    }

    /** The commits in an array of that name, and the member {@code more}. */
    static Page page(Answer answer, String array, String namespace) {
        Members members = members(answer, array, namespace);
        return new Page(members.commits, members.more);
    }

    /** A page of the feed. */
    static Changes changes(Answer answer, String namespace) {
        Members members = members(answer, "changes", namespace);
        boolean isPlaced = members.lineage != null && members.revision >= 0 && members.chain != null
                && members.chain.matches("(?i)([0-9a-f]{2})*");
        if (!isPlaced) {
            throw Refusals.foreign(answer, "its position cannot be read");
        }
        String chain = members.chain.toLowerCase(Locale.ROOT);
        return new Changes(new Position(members.lineage, members.revision, chain), members.more, members.commits);
    }

    private static final class Members {
        private List<Commit> commits;
        private boolean more;
        private String lineage;
        private long revision = -1;
        private String chain;
    }

    private static Members members(Answer answer, String array, String namespace) {
        Members found = parsed(answer, parser -> {
            Members members = new Members();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.getCurrentName();
                JsonToken token = parser.nextToken();
                if (name.equals(array) && token == JsonToken.START_ARRAY) {
                    members.commits = commits(parser, namespace);
                } else if (name.equals("more")) {
                    members.more = token == JsonToken.VALUE_TRUE;
                } else if (name.equals("lineage") && token == JsonToken.VALUE_STRING) {
                    members.lineage = parser.getText();
                } else if (name.equals("chain") && token == JsonToken.VALUE_STRING) {
                    members.chain = parser.getText();
                } else if (name.equals("revision") && token == JsonToken.VALUE_NUMBER_INT) {
                    members.revision = parser.getLongValue();
                } else {
                    parser.skipChildren();
                }
            }
            return members;
        });
        if (found.commits == null) {
            throw Refusals.foreign(answer, "its body has no array '" + array + "'");
        }
        return found;
    }

    private static List<Commit> commits(JsonParser parser, String namespace) throws IOException {
        List<Commit> commits = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            commits.add(Meta.read(parser, false).commit(namespace));
        }
        return commits;
    }

    private interface Reading<T> {
        T read(JsonParser parser) throws IOException;
    }

    private static <T> T parsed(Answer answer, Reading<T> reading) {
        try (JsonParser parser = Meta.JSON.createParser(answer.body())) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw Refusals.foreign(answer, "its body is not a JSON object");
            }
            T found = reading.read(parser);
            boolean isWhole = parser.currentToken() == JsonToken.END_OBJECT;
            if (!isWhole || parser.nextToken() != null) {
                throw Refusals.foreign(answer, "its body is not one JSON object");
            }
            return found;
        } catch (InvalidException e) {
            throw e.getMessage().startsWith(answer.url())
                    ? e
                    : Refusals.foreign(answer, "a commit cannot be read: " + e.getMessage());
        } catch (IOException e) {
            throw Refusals.foreign(answer, "its body is not JSON (" + firstLine(e) + ")");
        }
    }

    private static String firstLine(IOException e) {
        return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    }
}
