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
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;

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
    private final OwnName ownName;
    private final Reader reader;
    private final Writer writer;

    RainerAsyncClient(Address address, String author, Caller caller, OwnName ownName) {
        this.address = address;
        this.author = author;
        this.caller = caller;
        this.ownName = ownName;
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
        return commit(draft, CommitOptions.defaults());
    }

    /** See {@link RainerClient#commit(Draft, String)}. */
    public CompletableFuture<Commit> commit(Draft draft, String commitId) {
        return commit(draft, CommitOptions.defaults().withCommitId(commitId));
    }

    /** See {@link RainerClient#commit(Draft, CommitOptions)}. */
    public CompletableFuture<Commit> commit(Draft draft, CommitOptions how) {
        CommitOptions identified = how.identified();
        Call call = caller.begin(Duration.ZERO);
        return call.handOut(signed(List.of(draft), call, made -> writer.commit(made.get(0), identified, call)));
    }

    /** See {@link RainerClient#commitMany(Collection)}. */
    public CompletableFuture<List<Commit>> commitMany(Collection<Draft> drafts) {
        return commitMany(drafts, CommitOptions.defaults());
    }

    /** See {@link RainerClient#commitMany(Collection, String)}. */
    public CompletableFuture<List<Commit>> commitMany(Collection<Draft> drafts, String commitId) {
        return commitMany(drafts, CommitOptions.defaults().withCommitId(commitId));
    }

    /** See {@link RainerClient#commitMany(Collection, CommitOptions)}. */
    public CompletableFuture<List<Commit>> commitMany(Collection<Draft> drafts, CommitOptions how) {
        CommitOptions identified = how.identified();
        Call call = caller.begin(Duration.ZERO);
        return call.handOut(signed(drafts, call, made -> writer.changeset(made, identified, call)));
    }

    /** See {@link RainerClient#ownName}. */
    public CompletableFuture<Optional<String>> ownName() {
        Call call = caller.begin(Duration.ZERO);
        return call.handOut(ownName.get(call));
    }

    /** See {@link RainerClient#inNamespace}. */
    RainerAsyncClient in(Address other) {
        return new RainerAsyncClient(other, author, caller, ownName);
    }

    /** Sends the drafts with what they leave open; who it is that nobody names is asked, if that may be proved. */
    private <T> CompletableFuture<T> signed(
            Collection<Draft> drafts, Call call, Function<List<Draft>, CompletableFuture<T>> send) {
        check(drafts);
        boolean isAnyones = author == null && drafts.stream().anyMatch(draft -> draft.author() == null);
        if (!isAnyones || !ownName.mayBeProved()) {
            return send.apply(completed(drafts, author));
        }
        return ownName.get(call).thenCompose(name -> send.apply(completed(drafts, name.orElse(null))));
    }

    private List<Draft> completed(Collection<Draft> drafts, String who) {
        List<Draft> made = new ArrayList<>(drafts.size());
        drafts.forEach(draft -> made.add(draft.completed(address.namespace(), who)));
        return made;
    }

    /** The drafts in their namespaces, for what is said of a call that was interrupted. */
    List<Draft> placed(Collection<Draft> drafts) {
        return drafts.stream()
                .map(draft -> draft.namespace() == null ? draft.withNamespace(address.namespace()) : draft)
                .toList();
    }

    private static void check(Collection<Draft> drafts) {
        if (drafts.isEmpty()) {
            throw new InvalidException("a changeset without commits");
        }
        if (drafts.size() > Limits.CHANGESET_COMMITS_MAX) {
            throw new TooLargeException(
                    drafts.size() + " commits, over the " + Limits.CHANGESET_COMMITS_MAX + " that a changeset may have",
                    null,
                    Map.of("limit", Limits.CHANGESET_COMMITS_MAX));
        }
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
