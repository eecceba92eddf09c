package io.rainer;

import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;

/**
 * One namespace of a Rainer server, or of its ancestor's, over HTTP.
 *
 * <pre>{@code
 * try (RainerClient client = RainerClient.builder("http://localhost:8080/diary").author("me").build()) {
 *     Commit head = client.get("hey");
 *     client.commit(Draft.of("hey", head.version() + 1, "new").withComment("why"));
 * }
 * }</pre>
 *
 * <p>Reads are repeated when the server cannot be reached or is busy; commits, under the same commit id, also when their
 * answer was lost: a server makes them once. A call ends within the builder's timeout, repetitions included; lists and
 * histories are read in pages, each within it.
 *
 * <p>Every call may throw {@link UnavailableException} (nothing was done), and {@link InvalidException} where the address
 * is not a Rainer server's. A thread that is interrupted while it waits gets UnavailableException from a read and {@link
 * OutcomeUnknownException} from a commit, and stays interrupted. {@link #async()} has the same calls for those who do not
 * wait.
 *
 * <p>Thread-safe; threads share a pool of connections.
 */
public final class RainerClient implements AutoCloseable {
    private final Address address;
    private final RainerAsyncClient async;
    private final boolean isOwner;

    RainerClient(Address address, RainerAsyncClient async, boolean isOwner) {
        this.address = address;
        this.async = async;
        this.isOwner = isOwner;
    }

    /**
     * A client with the usual bounds.
     *
     * @param url ends in the namespace: {@code http://localhost:8080/diary}
     * @throws InvalidException for a URL that cannot be one
     */
    public static RainerClient of(String url) {
        return builder(url).build();
    }

    /** A client to be set up; InvalidException for a URL that cannot be one. */
    public static RainerClientBuilder builder(String url) {
        return new RainerClientBuilder(Address.parse(url));
    }

    /** The same server, author and connections, another namespace; InvalidException for a name that cannot be one. */
    public RainerClient inNamespace(String name) {
        Address other = address.inNamespace(name);
        return new RainerClient(other, async.in(other), false);
    }

    /** The same calls, whose answers are futures. */
    public RainerAsyncClient async() {
        return async;
    }

    /** Server and namespace. */
    public Address address() {
        return address;
    }

    // Reading.

    /** The head of a key, which may be a removal; NotFoundException for a key that never existed. */
    public Commit get(String key) {
        return Waiting.on(async.get(key));
    }

    /** One version of a key; NotFoundException. */
    public Commit get(String key, int version) {
        return Waiting.on(async.get(key, version));
    }

    /** The head of a key as of a revision; NotFoundException where it did not exist yet. */
    public Commit getAt(String key, long revision) {
        return Waiting.on(async.getAt(key, revision));
    }

    /** The head of a key; empty for a key that never existed. A missing namespace is an exception still. */
    public Optional<Commit> find(String key) {
        return Waiting.on(async.find(key));
    }

    /** The newest commit of every key, removed ones as empty commits: {@code heads(HeadsQuery.all())}. */
    public Map<String, Commit> heads() {
        return heads(HeadsQuery.all());
    }

    /** The newest commit of every key that is not removed: {@code heads(HeadsQuery.nonEmpty())}. */
    public Map<String, Commit> headsNonEmpty() {
        return heads(HeadsQuery.nonEmpty());
    }

    /**
     * Heads in byte order of their keys, all as of one revision; the map is the caller's.
     *
     * @throws NamespaceNotFoundException where there is no such namespace
     * @throws PositionGoneException for a past revision that the journal lacks
     */
    public Map<String, Commit> heads(HeadsQuery query) {
        return Waiting.on(async.heads(query));
    }

    /**
     * The same one commit at a time, a page in memory at most; the stream throws what {@link #heads(HeadsQuery)} does.
     *
     * <p>PositionGoneException in its middle means that the journal was replaced by another meanwhile.
     */
    public Stream<Commit> streamHeads(HeadsQuery query) {
        Reader reader = async.reader();
        return Pages.stream(reader.begin(query), cursor -> {
            Call call = async.caller().begin(Duration.ZERO);
            return Waiting.on(call.handOut(reader.heads(query, cursor, call)));
        });
    }

    /** All commits of a key, newest first; NotFoundException for a key that never existed. */
    public List<Commit> log(String key) {
        return log(key, LogQuery.all());
    }

    /** Commits of a key, newest first; the list is the caller's. NotFoundException for a key that never existed. */
    public List<Commit> log(String key, LogQuery query) {
        return Waiting.on(async.log(key, query));
    }

    /** The same one commit at a time, for histories that should not stand in memory. */
    public Stream<Commit> streamLog(String key, LogQuery query) {
        Reader reader = async.reader();
        return Pages.stream(reader.begin(query), cursor -> {
            Call call = async.caller().begin(Duration.ZERO);
            return Waiting.on(call.handOut(reader.log(key, query, cursor, call)));
        });
    }

    // Committing.

    /**
     * The name that the server gives to who asks by this client's token or HttpClient, which is the author of drafts that
     * name nobody. Asked once; empty without a token, where the server asks nobody, and where it is an older one.
     *
     * @throws UnauthenticatedException for a token that proves nothing
     */
    public Optional<String> ownName() {
        return Waiting.on(async.ownName());
    }

    /** Commit under a new commit id; see {@link #commit(Draft, CommitOptions)}. */
    public Commit commit(Draft draft) {
        return commit(draft, CommitOptions.defaults());
    }

    /** Commit under this commit id; see {@link #commit(Draft, CommitOptions)}. */
    public Commit commit(Draft draft, String commitId) {
        return commit(draft, CommitOptions.defaults().withCommitId(commitId));
    }

    /**
     * Make a commit: the draft's version must be the head's plus one, 1 for a new key.
     *
     * <p>It may be sent again when the answer is lost: a server does it once. Where a server of the ancestor's says
     * "conflict" after a lost answer, the stored commit decides: equal payload, author and comment are taken for ours.
     *
     * @param how under which commit id; or only to be tried, or past the rules of validation
     * @throws VersionConflictException where the version is not the next
     * @throws InvalidException where the commit is refused for what it says (MalformedPayloadException,
     *     RuleBrokenException, TooLargeException, CommitIdReusedException), or nobody is named as the author
     * @throws DeniedException where it is not allowed (UnauthenticatedException, ApprovalRequiredException)
     * @throws UnavailableException where nothing was done
     * @throws OutcomeUnknownException where it was sent and nobody said what became of it
     */
    public Commit commit(Draft draft, CommitOptions how) {
        CommitOptions identified = how.identified();
        CompletableFuture<Commit> sent = async.commit(draft, identified);
        return Waiting.on(sent, () -> Sending.interrupted(async.placed(List.of(draft)), identified.commitId()));
    }

    /** Make several commits under a new commit id; see {@link #commitMany(Collection, CommitOptions)}. */
    public List<Commit> commitMany(Collection<Draft> drafts) {
        return commitMany(drafts, CommitOptions.defaults());
    }

    /** Make several commits under this commit id; see {@link #commitMany(Collection, CommitOptions)}. */
    public List<Commit> commitMany(Collection<Draft> drafts, String commitId) {
        return commitMany(drafts, CommitOptions.defaults().withCommitId(commitId));
    }

    /**
     * Make several commits all together or not at all, as one changeset; the commits come in the drafts' order.
     *
     * <p>1 to 20,000 drafts, of any namespaces; several versions of a key stand in their order. Throws what {@link
     * #commit(Draft, CommitOptions)} does; a VersionConflictException lists every conflict, and nothing was written.
     */
    public List<Commit> commitMany(Collection<Draft> drafts, CommitOptions how) {
        CommitOptions identified = how.identified();
        CompletableFuture<List<Commit>> sent = async.commitMany(drafts, identified);
        return Waiting.on(sent, () -> Sending.interrupted(async.placed(drafts), identified.commitId()));
    }

    // The feed.

    /** The namespace's commits after a revision, 0 for all: {@code changes(ChangesQuery.since(revision))}. */
    public Changes changes(long since) {
        return changes(ChangesQuery.since(since));
    }

    /**
     * A page of the namespace's commits, oldest first, no changeset split.
     *
     * <p>While there is nothing, the server holds the answer back as long as the query says. Go on from the page's
     * position, also where it has no commits: {@code ChangesQuery.after(page.position())}.
     *
     * @throws PositionGoneException where the journal has another history by now: read the heads
     */
    public Changes changes(ChangesQuery query) {
        return Waiting.on(async.changes(query));
    }

    // For calls that this class has no method for.

    /** The JDK's client behind this one. */
    public HttpClient httpClient() {
        return async.caller().transport().http();
    }

    /**
     * A request to the server with this client's login, token and headers, for calls of your own.
     *
     * @param path begins with a slash and is encoded, such as {@code /-/status}
     */
    public HttpRequest.Builder request(String path) {
        return async.caller().transport().request(path);
    }

    /**
     * The error that an answer to such a request stands for.
     *
     * @param subject what was asked for, in words, such as "the status"
     */
    public RainerException errorOf(HttpResponse<byte[]> response, String subject) {
        Answer answer = new Answer(
                response.statusCode(), response.headers(), response.body(), response.uri().toString());
        return Refusals.refusal(answer, address.namespace(), subject);
    }

    /**
     * End the use of the connections, unless the HttpClient was given or this client came of inNamespace.
     *
     * <p>Before Java 21 the JDK has no such call: it closes idle connections after a while, and ends the threads of a
     * client that nothing refers to.
     */
    @Override
    public void close() {
        if (isOwner && httpClient() instanceof AutoCloseable closeable) {
            try {
                closeable.close();
            } catch (Exception e) {
                throw new IllegalStateException(e); // the JDK's declares none
            }
        }
    }

    /** The base URL, without a password. */
    @Override
    public String toString() {
        return "RainerClient[" + address + "]";
    }
}
