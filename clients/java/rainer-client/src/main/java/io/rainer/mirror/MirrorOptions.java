package io.rainer.mirror;

import io.rainer.InvalidException;
import java.net.http.HttpClient;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;

/**
 * How a mirror follows; immutable, each {@code with} makes another one.
 *
 * @param snapshot where the heads are kept on disk, from which it starts when nothing else answers; null for nowhere
 * @param reports whether it says at its source what it holds, so that {@code rainer status} lists it
 * @param connectTimeout how long a connection may take to come about
 * @param poll how often an ancestor's HTTP server, which has no feed, is asked
 * @param httpClient the client for HTTP, with whatever proxy and certificates it has; null for one of the mirror's own
 * @param sessionTimeout of ZooKeeper: how long a dead mirror goes on being reported
 * @param user for ZooKeeper's digest authentication, with {@code password}; null for nobody
 * @param password goes with {@code user}
 * @param token what says who asks over HTTP; null for nobody, or for the one in the URL
 */
public record MirrorOptions(
        Path snapshot,
        boolean reports,
        Duration connectTimeout,
        Duration poll,
        HttpClient httpClient,
        Duration sessionTimeout,
        String user,
        String password,
        String token) {
    /** Checks that no time is zero and that a user has a password. */
    public MirrorOptions {
        for (Duration one : new Duration[] {connectTimeout, poll, sessionTimeout}) {
            if (one.isNegative() || one.isZero()) {
                throw new InvalidException("a timeout must be longer than 0 seconds");
            }
        }
        if ((user == null) != (password == null)) {
            throw new InvalidException("a ZooKeeper user needs a password and a password a user");
        }
    }

    /** Nothing on disk, reports, 3 s to connect, ancestors asked every 2 s, sessions of 6 s, nobody's password. */
    public static MirrorOptions defaults() {
        return new MirrorOptions(
                null, true, Duration.ofSeconds(3), Duration.ofSeconds(2), null, Duration.ofSeconds(6), null, null, null);
    }

    /** Keeps the heads in this file; a Python mirror can read it, too. */
    public MirrorOptions withSnapshot(Path file) {
        return new MirrorOptions(
                file, reports, connectTimeout, poll, httpClient, sessionTimeout, user, password, token);
    }

    /** Whether its source lists this mirror; nobody waits for one that is not listed. */
    public MirrorOptions withReports(boolean listed) {
        return new MirrorOptions(
                snapshot, listed, connectTimeout, poll, httpClient, sessionTimeout, user, password, token);
    }

    /** How long a connection may take to come about. */
    public MirrorOptions withConnectTimeout(Duration timeout) {
        return new MirrorOptions(snapshot, reports, timeout, poll, httpClient, sessionTimeout, user, password, token);
    }

    /** How often an ancestor's server is asked. */
    public MirrorOptions withPoll(Duration every) {
        return new MirrorOptions(
                snapshot, reports, connectTimeout, every, httpClient, sessionTimeout, user, password, token);
    }

    /** Asks over this client, which the mirror does not close. */
    public MirrorOptions withHttpClient(HttpClient client) {
        Objects.requireNonNull(client);
        return new MirrorOptions(
                snapshot, reports, connectTimeout, poll, client, sessionTimeout, user, password, token);
    }

    /** ZooKeeper's session. */
    public MirrorOptions withSessionTimeout(Duration timeout) {
        return new MirrorOptions(snapshot, reports, connectTimeout, poll, httpClient, timeout, user, password, token);
    }

    /** Says to ZooKeeper who we are. */
    public MirrorOptions withDigest(String name, String secret) {
        return new MirrorOptions(
                snapshot, reports, connectTimeout, poll, httpClient, sessionTimeout, name, secret, token);
    }

    /** Says to an HTTP server who we are; a mirror holds what that one may read. */
    public MirrorOptions withToken(String secret) {
        return new MirrorOptions(
                snapshot, reports, connectTimeout, poll, httpClient, sessionTimeout, user, password, secret);
    }

    /** Everything but password and token. */
    @Override
    public String toString() {
        return "MirrorOptions[snapshot=" + snapshot + ", reports=" + reports + ", connectTimeout=" + connectTimeout
                + ", poll=" + poll + ", sessionTimeout=" + sessionTimeout + ", user=" + user + "]";
    }
}
