package io.rainer.zookeeper;

import io.rainer.DeniedException;
import io.rainer.RainerException;
import io.rainer.UnavailableException;
import java.util.Map;
import org.apache.zookeeper.KeeperException;

/** ZooKeeper's results as Rainer's errors, translated once, here. */
final class Failures {
    private Failures() {}

    static RainerException of(int code, String path) {
        return of(KeeperException.Code.get(code), path);
    }

    static RainerException of(KeeperException.Code code, String path) {
        String where = path == null ? "" : " at " + path;
        if (code == null) {
            return new RainerException("internal", "ZooKeeper failed" + where, null, false, Map.of());
        }
        return switch (code) {
            case CONNECTIONLOSS, SESSIONEXPIRED, OPERATIONTIMEOUT, SESSIONMOVED, REQUESTTIMEOUT ->
                new UnavailableException("ZooKeeper did not answer" + where + ": " + code,
                        "is ZooKeeper running, and reachable from here?", Map.of());
            case NOAUTH, AUTHFAILED, INVALIDACL ->
                new DeniedException("ZooKeeper does not allow it" + where + ": " + code,
                        "check user, password and ACLs", Map.of());
            default -> new RainerException("internal", "ZooKeeper failed" + where + ": " + code, null, false, Map.of());
        };
    }
}
