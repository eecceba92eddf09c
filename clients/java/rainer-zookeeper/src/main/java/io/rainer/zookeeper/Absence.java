package io.rainer.zookeeper;

import io.rainer.RainerException;
import io.rainer.UnavailableException;
import java.util.Map;

/**
 * The time without a connection. A second of it is borne in silence. After two the session is given up for a new one, and
 * again at growing intervals: a server whose data was wiped refuses for ever whoever has seen a later transaction, and
 * one that is just starting may take a connection and never answer it.
 */
final class Absence {
    private static final long BORNE_MS = 1_000;
    private static final long RENEW_MS = 2_000;
    private static final long RENEW_MS_MAX = 16_000;
    private static final long PAUSE_MS = 500;

    private final Connection connection;
    private final String where;
    private long sinceMs = ZooKeeperSource.now();
    private boolean isAbsent = true;
    private boolean isSaid;
    private long renewMs = RENEW_MS;
    private long renewAtMs = sinceMs + RENEW_MS;

    Absence(Connection connection, String where) {
        this.connection = connection;
        this.where = where;
    }

    void end() {
        isAbsent = false;
    }

    /** The error to be said now, null where there is none to be said. */
    RainerException bear() {
        long now = ZooKeeperSource.now();
        if (!isAbsent) {
            isAbsent = true;
            isSaid = false;
            sinceMs = now;
            renewMs = RENEW_MS;
            renewAtMs = now + renewMs;
        }
        if (now >= renewAtMs) {
            renewMs = Math.min(renewMs * 2, RENEW_MS_MAX);
            renewAtMs = now + renewMs;
            connection.renew();
        }
        if (isSaid || now - sinceMs < BORNE_MS) {
            return null;
        }
        isSaid = true;
        return new UnavailableException("no ZooKeeper answers: " + where, "is it running?", Map.of());
    }

    /** How long to wait before the next look at it. */
    long pauseMs() {
        return PAUSE_MS;
    }
}
