package io.rainer;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * The calls of {@link RainerClient} for those who do not wait: each returns at once, and no thread waits for it.
 *
 * <p>A future fails with what the call of the same name throws; what is wrong with the arguments is thrown at once.
 * Cancelling a future ends its exchange, and nothing is sent again: whether a commit was made is then not known.
 *
 * <p>Thread-safe. What is chained to a future runs on a thread of the client's executor and must not block it for long.
 */
public final class RainerAsyncClient {
    private static final int RELOADS = 3;

    private final Address address;
    private final String author;
    private final Caller caller;
    private final Reader reader;
    private final Writer writer;

    RainerAsyncClient(Address address, String author, Caller caller) {
        this.address = address;
        this.author = author;
        this.caller = caller;
        this.reader = new Reader(caller, address);
        this.writer = new Writer(caller, address);
    }

    Caller caller() {
        return caller;
    }

    Reader reader() {
        return reader;
    }

    /** See {@link RainerClient#get(String)}. */
    public CompletableFuture<Commit> get(String key) {
        return one(key, OptionalInt.empty(), OptionalLong.empty());
    }

    /** See {@link RainerClient#get(String, int)}. */
    public CompletableFuture<Commit> get(String key, int version) {
        return one(key, OptionalInt.of(Names.checkVersion(version)), OptionalLong.empty());
    }

    /** See {@link RainerClient#getAt}. */
    public CompletableFuture<Commit> getAt(String key, long revision) {
        return one(key, OptionalInt.empty(), OptionalLong.of(revision));
    }

    private CompletableFuture<Commit> one(String key, OptionalInt version, OptionalLong at) {
        Call call = caller.begin(Duration.ZERO);
        return call.handOut(reader.get(key, version, at, call));
    }

    /** See {@link RainerClient#find}. */
    public CompletableFuture<Optional<Commit>> find(String key) {
        Call call = caller.begin(Duration.ZERO);
        CompletableFuture<Optional<Commit>> found = reader.get(key, OptionalInt.empty(), OptionalLong.empty(), call)
                .handle((commit, failure) -> {
                    Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
                    if (cause instanceof NotFoundException absent && absent.code().equals("not-found")) {
                        return Optional.empty();
                    }
                    if (failure != null) {
                        throw failure instanceof CompletionException told ? told : new CompletionException(failure);
                    }
                    return Optional.of(commit);
                });
        return call.handOut(found);
    }

    /** See {@link RainerClient#heads()}. */
    public CompletableFuture<Map<String, Commit>> heads() {
        return heads(HeadsQuery.all());
    }

    /** See {@link RainerClient#headsNonEmpty}. */
    public CompletableFuture<Map<String, Commit>> headsNonEmpty() {
        return heads(HeadsQuery.nonEmpty());
    }

    /** See {@link RainerClient#heads(HeadsQuery)}. */
    public CompletableFuture<Map<String, Commit>> heads(HeadsQuery query) {
        Call call = caller.begin(Duration.ZERO);
        return call.handOut(loaded(query, call, 0).thenApply(commits -> {
            Map<String, Commit> heads = new LinkedHashMap<>(commits.size() * 2);
            commits.forEach(commit -> heads.put(commit.key(), commit));
            return heads;
        }));
    }

    /** Begins again where the journal is replaced by another (a restored backup) between two pages. */
    private CompletableFuture<List<Commit>> loaded(HeadsQuery query, Call call, int reloads) {
        return Pages.all(reader.begin(query), call, cursor -> reader.heads(query, cursor, call))
                .handle((commits, failure) -> {
                    boolean isReplaced = failure instanceof PositionGoneException;
                    if (isReplaced && query.at().isEmpty() && reloads < RELOADS) {
                        return loaded(query, call, reloads + 1);
                    }
                    return failure == null
                            ? CompletableFuture.completedFuture(commits)
                            : CompletableFuture.<List<Commit>>failedFuture(failure);
                })
                .thenCompose(outcome -> outcome);
    }

    /** See {@link RainerClient#log(String)}. */
    public CompletableFuture<List<Commit>> log(String key) {
        return log(key, LogQuery.all());
    }

    /** See {@link RainerClient#log(String, LogQuery)}. */
    public CompletableFuture<List<Commit>> log(String key, LogQuery query) {
        Call call = caller.begin(Duration.ZERO);
        return call.handOut(Pages.all(reader.begin(query), call, cursor -> reader.log(key, query, cursor, call)));
    }

    /** See {@link RainerClient#commit(Draft)}. */
    public CompletableFuture<Commit> commit(Draft draft) {
        return commit(draft, newCommitId());
    }

    /** See {@link RainerClient#commit(Draft, String)}. */
    public CompletableFuture<Commit> commit(Draft draft, String commitId) {
        Names.checkCommitId(commitId);
        Draft made = completed(draft);
        Call call = caller.begin(Duration.ZERO);
        return call.handOut(writer.commit(made, commitId, call));
    }

    /** See {@link RainerClient#commitMany(Collection)}. */
    public CompletableFuture<List<Commit>> commitMany(Collection<Draft> drafts) {
        return commitMany(drafts, newCommitId());
    }

    /** See {@link RainerClient#commitMany(Collection, String)}. */
    public CompletableFuture<List<Commit>> commitMany(Collection<Draft> drafts, String commitId) {
        Names.checkCommitId(commitId);
        List<Draft> made = completed(drafts);
        Call call = caller.begin(Duration.ZERO);
        return call.handOut(writer.changeset(made, commitId, call));
    }

    Draft completed(Draft draft) {
        return draft.completed(address.namespace(), author);
    }

    List<Draft> completed(Collection<Draft> drafts) {
        if (drafts.isEmpty()) {
            throw new InvalidException("a changeset without commits");
        }
        if (drafts.size() > Limits.CHANGESET_COMMITS_MAX) {
            throw new TooLargeException(
                    drafts.size() + " commits, over the " + Limits.CHANGESET_COMMITS_MAX + " that a changeset may have",
                    null,
                    Map.of("limit", Limits.CHANGESET_COMMITS_MAX));
        }
        List<Draft> made = new ArrayList<>(drafts.size());
        drafts.forEach(draft -> made.add(completed(draft)));
        return made;
    }

    static String newCommitId() {
        return UUID.randomUUID().toString();
    }

    /** See {@link RainerClient#changes(long)}. */
    public CompletableFuture<Changes> changes(long since) {
        return changes(ChangesQuery.since(since));
    }

    /** See {@link RainerClient#changes(ChangesQuery)}. */
    public CompletableFuture<Changes> changes(ChangesQuery query) {
        Long seconds = query.waitSeconds();
        Call call = caller.begin(Duration.ofSeconds(seconds == null ? 0 : seconds));
        return call.handOut(reader.changes(query, call));
    }

    /** The base URL, without a password. */
    @Override
    public String toString() {
        return "RainerAsyncClient[" + address + "]";
    }
}
