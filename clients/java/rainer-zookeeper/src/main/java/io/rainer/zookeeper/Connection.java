package io.rainer.zookeeper;

import io.rainer.RainerException;
import io.rainer.UnavailableException;
import java.time.Duration;
import java.util.Map;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BiConsumer;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.state.ConnectionStateListener;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;

/**
 * Reads over one Curator connection, ours or the caller's. Requests go to Curator's present ZooKeeper handle directly: a
 * mirror has a pause of its own after a failure, and Curator has no reads of many nodes at once.
 *
 * <p>Calls that wait throw UnavailableException where no server answers. Callbacks run on ZooKeeper's event thread and
 * must not wait.
 */
final class Connection implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    static final Duration CALL = Duration.ofSeconds(30);
    private static final long GOODBYE_MS = 1_000;

    private final CuratorFramework curator;
    private final boolean isOurs;
    private final String prefix;
    private ConnectionStateListener listener;

    Connection(CuratorFramework curator, boolean isOurs) {
        this.curator = curator;
        this.isOurs = isOurs;
        String namespace = curator.getNamespace();
        prefix = namespace == null || namespace.isEmpty() ? "" : "/" + namespace;
    }

    /** Begins to connect, and calls {@code changed} with whether there is a connection whenever that changes. */
    void start(java.util.function.Consumer<Boolean> changed) {
        listener = (client, state) -> changed.accept(state.isConnected());
        curator.getConnectionStateListenable().addListener(listener);
        if (isOurs) {
            curator.start();
        }
    }

    CuratorFramework curator() {
        return curator;
    }

    String describe() {
        return "ZooKeeper " + curator.getZookeeperClient().getCurrentConnectionString();
    }

    boolean isConnected() {
        return curator.getZookeeperClient().isConnected();
    }

    long sessionId() {
        return handle().getSessionId();
    }

    /**
     * Gives up a session that may be half open, or that a server whose data was lost would refuse for ever, for a new
     * one. A caller's connection is left alone.
     */
    void renew() {
        if (isOurs) {
            handle().getTestable().injectSessionExpiration();
        }
    }

    @Override
    public void close() {
        if (listener != null) {
            curator.getConnectionStateListenable().removeListener(listener);
        }
        if (!isOurs) {
            return;
        }
        // A server that hangs would be waited for.
        Thread goodbye = new Thread(curator::close, "rainer-mirror-zookeeper-close");
        goodbye.setDaemon(true);
        goodbye.start();
        try {
            goodbye.join(GOODBYE_MS);
            if (goodbye.isAlive()) {
                giveUp();
                goodbye.join(GOODBYE_MS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void giveUp() {
        try {
            renew();
        } catch (RainerException e) {
            LOG.log(System.Logger.Level.DEBUG, "the session is gone already: {0}", e.getMessage());
        }
    }

    /** Curator's present handle; UnavailableException where it has none. */
    ZooKeeper handle() {
        try {
            return curator.getZookeeperClient().getZooKeeper();
        } catch (KeeperException e) {
            throw Failures.of(e.code(), null);
        } catch (Exception e) {
            throw new UnavailableException("no ZooKeeper answers: " + e.getMessage(), "is it running?", Map.of());
        }
    }

    String full(String path) {
        return prefix + path;
    }

    // Calls that wait

    /** A node, null where there is none. */
    Node get(String path, Watcher watcher) throws InterruptedException {
        CompletableFuture<Node> answer = new CompletableFuture<>();
        handle().getData(full(path), watcher, (code, asked, context, data, stat) -> settle(answer, code, path,
                () -> new Node(data == null ? new byte[0] : data, stat)), null);
        return wait(answer, CALL);
    }

    /**
     * A node, and one call of {@code changed} when it changes, goes or comes to be.
     */
    Node watch(String path, Runnable changed) throws InterruptedException {
        Watcher watcher = changes(changed);
        Node found = get(path, watcher);
        if (found == null && exists(path, watcher) >= 0) {
            changed.run();
        }
        return found;
    }

    /** How many children a node has, -1 where there is no node. */
    int exists(String path, Watcher watcher) throws InterruptedException {
        CompletableFuture<Integer> answer = new CompletableFuture<>();
        handle().exists(full(path), watcher,
                (code, asked, context, stat) -> settle(answer, code, path, () -> stat.getNumChildren()), null);
        Integer found = wait(answer, CALL);
        return found == null ? -1 : found;
    }

    /** The names of a node's children, none where there is no node; {@code changed} may be null. */
    List<String> children(String path, Runnable changed) throws InterruptedException {
        CompletableFuture<List<String>> answer = new CompletableFuture<>();
        handle().getChildren(full(path), changed == null ? null : changes(changed),
                (int code, String asked, Object context, List<String> names) -> settle(answer, code, path, () -> names),
                null);
        return wait(answer, CALL);
    }

    /** Lets this server catch up with the leader, so that what is read next is not older. */
    void sync(String path) throws InterruptedException {
        CompletableFuture<Boolean> answer = new CompletableFuture<>();
        handle().sync(full(path), (code, asked, context) -> settle(answer, code, path, () -> true), null);
        wait(answer, CALL);
    }

    // Calls that do not

    /** Asks for a node's data; {@code answer} gets it, (null, null) where there is none, or an error. */
    void getLater(String path, BiConsumer<byte[], RainerException> answer) {
        handle().getData(full(path), null, (code, asked, context, data, stat) -> {
            if (code == KeeperException.Code.OK.intValue()) {
                answer.accept(data == null ? new byte[0] : data, null);
            } else {
                boolean isNone = code == KeeperException.Code.NONODE.intValue();
                answer.accept(null, isNone ? null : Failures.of(code, path));
            }
        }, null);
    }

    /**
     * Calls {@code created} once when the node comes to be; {@code armed} with whether it exists already, or an error,
     * once the watch stands. Where it exists, nothing is watched.
     */
    void watchCreated(String path, Runnable created, BiConsumer<Boolean, RainerException> armed) {
        ZooKeeper zk = handle();
        Watcher watcher = event -> {
            if (event.getType() == Watcher.Event.EventType.NodeCreated) {
                created.run();
            }
        };
        zk.exists(full(path), watcher, (code, asked, context, stat) -> {
            if (code == KeeperException.Code.NONODE.intValue()) {
                armed.accept(false, null);
            } else if (code == KeeperException.Code.OK.intValue()) {
                // What was set is a watch for its change: nobody waits for that, and thousands of them are a burden.
                zk.removeWatches(full(path), watcher, Watcher.WatcherType.Data, true, (rc, p, c) -> { }, null);
                armed.accept(true, null);
            } else {
                armed.accept(false, Failures.of(code, path));
            }
        }, null);
    }

    static Watcher changes(Runnable changed) {
        return (WatchedEvent event) -> {
            Watcher.Event.EventType type = event.getType();
            boolean isRemoval = type == Watcher.Event.EventType.DataWatchRemoved
                    || type == Watcher.Event.EventType.ChildWatchRemoved;
            if (type != Watcher.Event.EventType.None && !isRemoval) {
                changed.run();
            }
        };
    }

    private interface Made<T> {
        T make();
    }

    private static <T> void settle(CompletableFuture<T> answer, int code, String path, Made<T> made) {
        if (code == KeeperException.Code.OK.intValue()) {
            answer.complete(made.make());
        } else if (code == KeeperException.Code.NONODE.intValue()) {
            answer.complete(null);
        } else {
            answer.completeExceptionally(Failures.of(code, path));
        }
    }

    static <T> T wait(CompletableFuture<T> answer, Duration patience) throws InterruptedException {
        try {
            return answer.get(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw Failures.of(KeeperException.Code.OPERATIONTIMEOUT, null);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RainerException error) {
                throw error;
            }
            throw new IllegalStateException(e.getCause());
        }
    }
}
