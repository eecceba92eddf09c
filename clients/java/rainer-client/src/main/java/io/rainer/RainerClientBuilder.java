package io.rainer;

import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.URI;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** How a {@link RainerClient} is set up; what is left out has the value that its method names. Not thread-safe. */
public final class RainerClientBuilder {
    private static final Duration TIMEOUT_MAX = Duration.ofDays(365);
    private static final long IDLE_S = 10;
    /**
     * Not the JDK's common pool: a program whose own work blocks that would keep calls from ending, also those whose time
     * is up. Its threads end when they are idle, so that nobody has to close it.
     */
    private static final Executor SHARED = new ThreadPoolExecutor(
            0, Integer.MAX_VALUE, IDLE_S, TimeUnit.SECONDS, new SynchronousQueue<>(), RainerClientBuilder::thread);

    private Address address;
    private final Map<String, String> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
    private String author;
    private Duration timeout = Duration.ofSeconds(30);
    private Duration connectTimeout = Duration.ofSeconds(5);
    private Duration answerTimeout = Duration.ofSeconds(15);
    private Retries retries = Retries.DEFAULT;
    private Executor executor;
    private HttpClient given;

    RainerClientBuilder(Address address) {
        this.address = address;
        headers.put("User-Agent", "rainer-java");
        headers.put("Accept-Encoding", "identity"); // else a proxy may pack answers, which the JDK does not unpack
    }

    /**
     * Who makes the commits whose drafts name nobody; by default whom the server takes the token's owner for, or nobody.
     * InvalidException as for a draft's.
     */
    public RainerClientBuilder author(String name) {
        author = Names.checkAuthor(name);
        return this;
    }

    /** How long a call may take with all its repetitions, or a page of a long one; by default 30 s. */
    public RainerClientBuilder timeout(Duration longest) {
        timeout = checked(longest);
        return this;
    }

    /** How long the making of a connection may take; by default 5 s. Of a given HttpClient, its own holds. */
    public RainerClientBuilder connectTimeout(Duration longest) {
        connectTimeout = checked(longest);
        return this;
    }

    /** How long the server may be silent before its answer and in it, in each attempt; by default 15 s. */
    public RainerClientBuilder answerTimeout(Duration longest) {
        answerTimeout = checked(longest);
        return this;
    }

    private static Thread thread(Runnable work) {
        Thread made = new Thread(work, "rainer-client");
        made.setDaemon(true);
        return made;
    }

    private static Duration checked(Duration longest) {
        if (longest.isNegative() || longest.isZero()) {
            throw new InvalidException("a timeout must be longer than 0 seconds, not " + longest);
        }
        // Whoever says for ever means it; clocks that count nanoseconds do not reach so far.
        return longest.compareTo(TIMEOUT_MAX) < 0 ? longest : TIMEOUT_MAX;
    }

    /** How often a call is repeated at most, and after which pauses; by default {@link Retries#DEFAULT}. */
    public RainerClientBuilder retries(Retries policy) {
        retries = policy;
        return this;
    }

    /** A header that goes with every request. InvalidException for one that HTTP or the JDK does not allow. */
    public RainerClientBuilder header(String name, String value) {
        try {
            HttpRequest.newBuilder(URI.create(address.root())).header(name, value);
        } catch (IllegalArgumentException e) {
            throw new InvalidException("header " + Names.shorten(name) + " cannot be sent: " + e.getMessage());
        }
        headers.put(name, value);
        return this;
    }

    /** What says who asks, instead of one in the URL; InvalidException for what can be none, and beside a login. */
    public RainerClientBuilder token(String token) {
        address = address.withToken(token);
        return this;
    }

    /** Where answers are read and futures go on; by default daemon threads that all clients share. */
    public RainerClientBuilder executor(Executor threads) {
        executor = threads;
        return this;
    }

    /**
     * A client of the JDK with your own certificates, proxy or connections; never closed by us.
     *
     * <p>Ours speaks HTTP/1.1, keeps no cookies, follows no redirects and uses no proxy: a configuration service inside a
     * data centre must not be reached by way of what happens to be set for something else.
     */
    public RainerClientBuilder httpClient(HttpClient client) {
        given = client;
        return this;
    }

    /** The client; it connects when it is first used. */
    public RainerClient build() {
        HttpClient http = given == null ? newHttpClient() : given;
        Executor later = executor == null ? SHARED : executor;
        Map<String, String> sent = new TreeMap<>(headers);
        if (address.authorization() != null) {
            sent.putIfAbsent("Authorization", address.authorization());
        }
        Transport transport = new Transport(http, address.root(), sent, later);
        Caller caller = new Caller(transport, retries, timeout, answerTimeout, later);
        OwnName ownName = new OwnName(caller, address.token() != null || given != null); // which may have a certificate
        return new RainerClient(address, new RainerAsyncClient(address, author, caller, ownName), given == null);
    }

    private HttpClient newHttpClient() {
        HttpClient.Builder builder = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .proxy(HttpClient.Builder.NO_PROXY)
                .connectTimeout(connectTimeout);
        if (executor != null) {
            builder.executor(executor);
        }
        return builder.build();
    }
}
