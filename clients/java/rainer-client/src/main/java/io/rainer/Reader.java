package io.rainer;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.regex.Pattern;

/** Reads one namespace: single commits at once, lists and histories page by page. Thread-safe. */
final class Reader {
    /** Pages with payloads are asked for in such counts that each has about this size. */
    private static final int PAGE_BYTES_AIM = 4_000_000;

    private static final int FIRST_PAGE = 100;
    private static final int GROWTH_MAX = 4;
    private static final Pattern NEXT =
            Pattern.compile("<[^>]*>[^,]*;\\s*rel=\"?next\"?", Pattern.CASE_INSENSITIVE);

    private final Caller caller;
    private final Address address;

    Reader(Caller caller, Address address) {
        this.caller = caller;
        this.address = address;
    }

    /** Some commits, and what leads to the next ones: null after the last. */
    record Part<C>(List<Commit> commits, C next) {}

    /** Where a list goes on: after a key, at the revision and in the lineage of its first page. */
    record HeadsCursor(int count, String after, OptionalLong at, String lineage) {}

    /** Where a history goes on: below a version, with so many left; {@code isWalk} where the server has no histories. */
    record LogCursor(int count, OptionalInt before, OptionalInt left, boolean isWalk) {}

    private CompletableFuture<Answer> ask(Object path, String subject, Call call) {
        return caller.ask(new Caller.Question(path.toString(), address.namespace(), subject), call);
    }

    /** One commit: a version, or the head, or the head as of a revision. */
    CompletableFuture<Commit> get(String key, OptionalInt version, OptionalLong at, Call call) {
        String path = version.isPresent() ? address.keyPath(key, version.getAsInt()) : address.keyPath(key);
        Query query = new Query(path).with("at", at.isPresent() ? at.getAsLong() : null);
        return ask(query, subject(key, version), call).thenCompose(answer -> {
            if (at.isPresent()) {
                needRevisions(answer);
            }
            Answers.FromHeaders found = Answers.commitOfHeaders(answer, key, address.namespace());
            return found.isWhole()
                    ? CompletableFuture.completedFuture(found.commit())
                    : completed(found.commit(), version, call);
        });
    }

    private CompletableFuture<Commit> completed(Commit cut, OptionalInt version, Call call) {
        String path = address.keyPath(cut.key(), cut.version(), "meta");
        return ask(path, subject(cut.key(), version), call).thenApply(answer -> {
            Commit full = Answers.commitOfMeta(answer, address.namespace());
            return new Commit(
                    cut.namespace(), cut.key(), cut.version(), cut.revision(), cut.payload(), cut.isEmpty(),
                    full.author(), full.comment(), cut.mtime(), cut.marks());
        });
    }

    /** Where a list begins. */
    HeadsCursor begin(HeadsQuery query) {
        int count = query.payloads() ? FIRST_PAGE : Limits.LIST_PAGE_MAX;
        return new HeadsCursor(count, null, query.at(), null);
    }

    /** The next heads in byte order of their keys, at the revision of the first page. */
    CompletableFuture<Part<HeadsCursor>> heads(HeadsQuery query, HeadsCursor cursor, Call call) {
        Query path = new Query(address.namespacePath())
                .flag("all", query.includeEmpty())
                .flag("payload_base64", query.payloads())
                .flag("revisions", true)
                .with("prefix", query.prefix().isEmpty() ? null : query.prefix())
                .with("limit", cursor.count())
                .with("after", cursor.after())
                .with("at", cursor.at().isPresent() ? cursor.at().getAsLong() : null);
        return ask(path, "namespace " + Names.quoted(address.namespace()), call)
                .thenApply(answer -> headsOf(answer, query, cursor));
    }

    private Part<HeadsCursor> headsOf(Answer answer, HeadsQuery query, HeadsCursor cursor) {
        if (answer.isAncestors()) {
            return new Part<>(ancestorsHeads(answer, query), null);
        }
        String lineage = answer.header("x-rainer-lineage");
        if (cursor.lineage() != null && !cursor.lineage().equals(lineage)) {
            throw new PositionGoneException(
                    answer.url() + ": the journal was replaced between two pages",
                    "read the heads again",
                    java.util.Map.of());
        }
        List<Commit> found = Answers.commitsOfList(answer, address.namespace());
        if (answer.headers().allValues("link").stream().noneMatch(link -> NEXT.matcher(link).find())) {
            return new Part<>(found, null);
        }
        if (found.isEmpty()) {
            throw Refusals.foreign(answer, "a page of heads is empty, and yet there is a next one");
        }
        int count = nextCount(cursor.count(), found.size(), answer.body().length);
        String last = found.get(found.size() - 1).key();
        return new Part<>(found, new HeadsCursor(count, last, answer.number("x-rainer-revision"), lineage));
    }

    private List<Commit> ancestorsHeads(Answer answer, HeadsQuery query) {
        if (query.at().isPresent()) {
            needRevisions(answer);
        }
        List<Commit> found = new ArrayList<>(Answers.commitsOfList(answer, address.namespace()));
        found.removeIf(commit -> !commit.key().startsWith(query.prefix()));
        found.sort((one, other) -> KeyOrder.compare(one.key(), other.key()));
        return found;
    }

    /** Where a history begins. */
    LogCursor begin(LogQuery query) {
        int count = query.payloads() ? FIRST_PAGE : Limits.LIST_PAGE_MAX;
        return new LogCursor(count, query.before(), query.limit(), false);
    }

    /** The next commits of a key, newest first. */
    CompletableFuture<Part<LogCursor>> log(String key, LogQuery query, LogCursor cursor, Call call) {
        if (cursor.left().orElse(1) == 0) {
            return CompletableFuture.completedFuture(new Part<>(List.of(), null));
        }
        if (cursor.isWalk()) {
            return step(key, query, cursor, call);
        }
        int count = Math.min(cursor.count(), cursor.left().orElse(cursor.count()));
        Query path = new Query(address.keyPath(key, "log"))
                .with("limit", count)
                .with("before", cursor.before().isPresent() ? cursor.before().getAsInt() : null)
                .flag("payload_base64", query.payloads());
        String subject = subject(key, OptionalInt.empty());
        Caller.Question question =
                new Caller.Question(path.toString(), address.namespace(), subject, Reader::hasNoLog);
        return caller.ask(question, call).thenCompose(answer -> answer.status() == 200
                ? CompletableFuture.completedFuture(logOf(answer, cursor))
                : step(key, query, cursor, call));
    }

    private Part<LogCursor> logOf(Answer answer, LogCursor cursor) {
        Answers.Page page = Answers.page(answer, "commits", address.namespace());
        List<Commit> found = page.commits();
        if (!page.more() || found.isEmpty()) {
            return new Part<>(found, null);
        }
        OptionalInt left = less(cursor.left(), found.size());
        OptionalInt before = OptionalInt.of(found.get(found.size() - 1).version());
        int count = nextCount(cursor.count(), found.size(), answer.body().length);
        return new Part<>(found, new LogCursor(count, before, left, false));
    }

    /** One step of the log of a server that has none: version by version, down. */
    private CompletableFuture<Part<LogCursor>> step(String key, LogQuery query, LogCursor cursor, Call call) {
        OptionalInt version =
                cursor.before().isPresent() ? OptionalInt.of(cursor.before().getAsInt() - 1) : OptionalInt.empty();
        return one(key, version, query.payloads(), call).thenApply(commit -> {
            OptionalInt left = less(cursor.left(), 1);
            boolean isLast = commit.version() <= 1 || left.orElse(1) == 0;
            LogCursor next = new LogCursor(cursor.count(), OptionalInt.of(commit.version()), left, true);
            return new Part<>(List.of(commit), isLast ? null : next);
        });
    }

    private CompletableFuture<Commit> one(String key, OptionalInt version, boolean payloads, Call call) {
        if (payloads) {
            return get(key, version, OptionalLong.empty(), call);
        }
        String path = version.isPresent()
                ? address.keyPath(key, version.getAsInt(), "meta")
                : address.keyPath(key, "meta");
        return ask(path, subject(key, version), call)
                .thenApply(answer -> Answers.commitOfMeta(answer, address.namespace()));
    }

    /** A page of the feed. */
    CompletableFuture<Changes> changes(ChangesQuery query, Call call) {
        Query path = new Query("/-/changes")
                .with("since", query.since())
                .with("namespace", address.namespace())
                .with("wait", query.waitSeconds())
                .with("limit", query.limit())
                .flag("payload_base64", query.payloads())
                .with("lineage", query.lineage())
                .with("chain", query.chain());
        return ask(path, "the feed since " + query.since(), call)
                .thenApply(answer -> Answers.changes(answer, address.namespace()));
    }

    private static OptionalInt less(OptionalInt left, int taken) {
        return left.isPresent() ? OptionalInt.of(Math.max(0, left.getAsInt() - taken)) : left;
    }

    /** Four times as many at most: behind a thousand small payloads there may stand a thousand large ones. */
    private static int nextCount(int count, int commits, int size) {
        long fitting = (long) PAGE_BYTES_AIM * commits / Math.max(size, 1);
        return (int) Math.max(1, Math.min(fitting, Math.min((long) GROWTH_MAX * count, Limits.LIST_PAGE_MAX)));
    }

    static String subject(String key, OptionalInt version) {
        String named = "key " + Names.quoted(key);
        return version.isPresent() ? "version " + version.getAsInt() + " of " + named : named;
    }

    /** An ancestor takes "log" for a version: no such version, or no version at all. */
    private static boolean hasNoLog(Answer answer) {
        boolean isRefused = answer.status() == 400 || answer.status() == 404 || answer.status() == 405;
        return isRefused && answer.isAncestors() && !answer.isProblem();
    }

    private static void needRevisions(Answer answer) {
        if (answer.isAncestors()) {
            throw new InvalidException(
                    answer.url() + ": this server tells no revisions, so it cannot be asked for the past",
                    "leave out the revision, or ask a Rainer server",
                    java.util.Map.of());
        }
    }
}
