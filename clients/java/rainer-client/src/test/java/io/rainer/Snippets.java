package io.rainer;

import java.util.List;
import java.util.Optional;

/** What clients/java/README.md shows, compiled and run: each snippet stands here word for word. */
final class Snippets {
    private Snippets() {}

    /** Run one against a server; what it brought, in words. */
    static Object run(String name, String url) {
        try (RainerClient client = RainerClient.builder(url).author("me@example.com").build()) {
            return switch (name) {
                case "client" -> client(url);
                case "changeset" -> changeset(client).size();
                case "count" -> count(client).payloadText();
                default -> outcome(client, Draft.of(name, 7, ""));
            };
        }
    }

    private static String client(String url) {
        try (RainerClient client = RainerClient.builder(url).author("me@example.com").build()) {
            Commit made = client.commit(Draft.of("prices", 1, "{\"apple\": 3}").withComment("the first list"));
            Commit head = client.get("prices");
            client.commit(Draft.of("prices", head.version() + 1, "{\"apple\": 4}").withComment("apples went up"));
            for (Commit commit : client.log("prices")) {
                System.err.println(commit.version() + " " + commit.author() + ": " + commit.comment());
            }
            return client.getAt("prices", made.revision().getAsLong()).payloadText();
        }
    }

    private static List<Commit> changeset(RainerClient client) {
        client.commit(Draft.of("obsolete", 1, ""));
        List<Commit> made = client.commitMany(List.of(
                Draft.of("prices", 1, "{\"apple\": 3}"),
                Draft.of("stock", 1, "{\"apple\": 100}"),
                Draft.removal("obsolete", 2).withComment("nobody reads it")));
        return made;
    }

    private static String outcome(RainerClient client, Draft draft) {
        try {
            client.commit(draft);
            return "made";
        } catch (VersionConflictException e) {
            return "somebody was first: " + e.expected() + " is next"; // read the head, decide again
        } catch (InvalidException | DeniedException e) {
            return "refused: " + e.getMessage() + e.hint().map(hint -> " (" + hint + ")").orElse("");
        } catch (UnavailableException e) {
            return "nothing was done: try again later";
        } catch (OutcomeUnknownException e) {
            return "look at the head, or commit again with id " + e.commitId().orElseThrow();
        }
    }

    static String tried(String url, String token) {
        try (RainerClient client = RainerClient.builder(url).token(token).build()) {
            Draft draft = Draft.of("app.ports", 1, "{\n \"port\": \"none\"}").withComment("no ports any more");
            client.commit(draft, CommitOptions.defaults().withDryRun());
            return "it would be made";
        } catch (RuleBrokenException e) {
            return e.pointer().orElse("the document") + ", line " + e.line().orElse(1) + ": " + e.getMessage();
        } catch (ApprovalRequiredException e) {
            return "somebody else must approve: " + e.hint().orElse("");
        } catch (UnauthenticatedException e) {
            return "the token proves nothing, or nothing any more";
        }
    }

    private static Commit count(RainerClient client) {
        while (true) {
            Optional<Commit> head = client.find("counter");
            long count = head.map(Commit::payloadText).map(Long::parseLong).orElse(0L) + 1;
            try {
                return client.commit(Draft.of("counter", head.map(Commit::version).orElse(0) + 1, Long.toString(count)));
            } catch (VersionConflictException e) {
                continue;
            }
        }
    }
}
