package io.rainer.zookeeper;

import io.rainer.RainerException;
import io.rainer.mirror.Report;
import io.rainer.mirror.Sink;
import java.lang.System.Logger.Level;
import org.apache.curator.framework.api.BackgroundCallback;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException.Code;

/**
 * The node in which a mirror says what it holds: ephemeral, so that its being there says that the mirror lives. Written
 * when what it says changed, at once after a quiet time and then every two seconds at most. For the worker's thread, which
 * does not wait for it.
 */
final class TreeReporter {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    private static final long EVERY_NS = 2_000_000_000L;

    private final Connection connection;
    private final Tree tree;
    private final Sink sink;
    private final String id = Report.newId();
    private volatile boolean isDenied;
    private volatile Report told;
    private volatile long session;
    private volatile long nextAt = System.nanoTime();

    TreeReporter(Connection connection, Tree tree, Sink sink) {
        this.connection = connection;
        this.tree = tree;
        this.sink = sink;
    }

    /** Whether something new may be said already. */
    boolean isDue() {
        return !isDenied && System.nanoTime() - nextAt >= 0;
    }

    /** What was denied may be allowed now. */
    void reconnected() {
        isDenied = false;
    }

    /** Says what there is to say; when to come again, in milliseconds, Long.MAX_VALUE where nothing waits to be said. */
    long turn(String error) {
        if (sink.position() == null || isDenied) {
            return Long.MAX_VALUE;
        }
        long now = connection.sessionId();
        Report report = Report.of(id, sink, "zookeeper", error, "");
        if (now == session && report.saysAs(told)) {
            return Long.MAX_VALUE;
        }
        long waitNs = nextAt - System.nanoTime();
        if (waitNs > 0) {
            return waitNs / 1_000_000 + 1;
        }
        nextAt = System.nanoTime() + EVERY_NS;
        try {
            write(report, now);
        } catch (RainerException e) {
            throw e;
        } catch (Exception e) {
            LOG.log(Level.DEBUG, "{0}: this mirror could not report: {1}", tree.root(), e);
        }
        return Long.MAX_VALUE;
    }

    private void write(Report report, long now) throws Exception {
        String path = tree.mirror(id);
        if (now != session) {
            // Ours by its name, and perhaps of a session that ends: the node would go with it.
            connection.curator().delete().quietly().inBackground().forPath(path);
        }
        BackgroundCallback done = (client, event) -> {
            Code code = Code.get(event.getResultCode());
            if (code == Code.OK) {
                told = report;
                session = now;
            } else if (code == Code.NOAUTH || code == Code.INVALIDACL || code == Code.UNIMPLEMENTED) {
                LOG.log(Level.INFO, "{0}: this mirror cannot report what it holds: {1}", tree.root(), code);
                isDenied = true;
            }
        };
        connection.curator().create().orSetData().creatingParentsIfNeeded().withMode(CreateMode.EPHEMERAL)
                .inBackground(done).forPath(path, report.toBytes());
    }
}
