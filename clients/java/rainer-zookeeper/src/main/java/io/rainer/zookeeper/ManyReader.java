package io.rainer.zookeeper;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.stream.Stream;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.OpResult;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.data.Stat;

/** Reads many nodes in few requests (ZooKeeper 3.6 and newer; else one request a node), several of them in flight. */
final class ManyReader {
    private static final int BYTES_AIM = 1_500_000;
    /** A client that takes less is handed no answer of many nodes: each of them may have 1 MB. */
    private static final int ROOMY_BYTES = 64 << 20;
    private static final int KEYS_MAX = 1_000;
    private static final int KEYS_FIRST = 8;
    private static final int KEYS_GROWTH = 8;
    private static final int LARGE_AT_ONCE = 2;
    private static final int IN_FLIGHT = 4;
    private static final int WATCHES_IN_FLIGHT = 500;
    private static final String PACKET = "jute.maxbuffer";

    private final Connection connection;
    private volatile boolean hasMultiRead = true;

    ManyReader(Connection connection) {
        this.connection = connection;
    }

    /** The nodes in their order, null for those that are not there; each request may take {@code patience}. */
    List<Node> read(List<String> paths, Duration patience) throws InterruptedException {
        List<Node> found = new ArrayList<>(paths.size());
        run(paths, patience, KEYS_MAX, (path, node) -> found.add(node));
        return found;
    }

    /** Each node as it comes, in order, while the next are on their way. */
    void each(List<String> paths, BiConsumer<String, Node> take) throws InterruptedException {
        if (packetMax() >= ROOMY_BYTES) {
            run(paths, Connection.CALL, KEYS_MAX, take);
        } else {
            // A few large nodes in one answer would end the connection, which is the caller's: as often as it is asked.
            run(paths, Connection.CALL, KEYS_MAX, take, some -> askSingly(some, null));
        }
    }

    /** The data of nodes of which each may be as large as a node can be. */
    List<byte[]> large(List<String> paths) throws InterruptedException {
        List<byte[]> found = new ArrayList<>(paths.size());
        int atOnce = packetMax() > 2 * BYTES_AIM ? LARGE_AT_ONCE : 1;
        run(paths, Connection.CALL, atOnce, (path, node) -> found.add(node == null ? null : node.data()));
        return found;
    }

    private record Asked(List<String> paths, CompletableFuture<List<Node>> answer) {}

    /**
     * Begins with few, and asks for more at once as answers tell how large nodes are: a server takes several times an
     * answer's size from its heap, and a client whose buffer is too small drops its connection.
     */
    private void run(List<String> paths, Duration patience, int keysMax, BiConsumer<String, Node> take)
            throws InterruptedException {
        run(paths, patience, keysMax, take, this::ask);
    }

    private void run(
            List<String> paths,
            Duration patience,
            int keysMax,
            BiConsumer<String, Node> take,
            Function<List<String>, CompletableFuture<List<Node>>> ask)
            throws InterruptedException {
        Deque<Asked> waiting = new ArrayDeque<>();
        int at = 0;
        int portion = Math.min(KEYS_FIRST, keysMax);
        boolean isFirst = true;
        while (at < paths.size() || !waiting.isEmpty()) {
            while (at < paths.size() && waiting.size() < (isFirst ? 1 : IN_FLIGHT)) {
                List<String> some = paths.subList(at, Math.min(paths.size(), at + portion));
                at += some.size();
                waiting.add(new Asked(some, ask.apply(some)));
            }
            isFirst = false;
            Asked asked = waiting.remove();
            List<Node> nodes = Connection.wait(asked.answer(), patience);
            long size = 1;
            for (int i = 0; i < nodes.size(); i++) {
                size += nodes.get(i) == null ? 0 : nodes.get(i).data().length;
                take.accept(asked.paths().get(i), nodes.get(i));
            }
            long fitting = (long) BYTES_AIM * asked.paths().size() / size;
            portion = (int) Math.max(1, Math.min(Math.min(keysMax, asked.paths().size() * KEYS_GROWTH), fitting));
        }
    }

    private int packetMax() {
        return connection.handle().getClientConfig().getInt(PACKET, ZKClientConfig.CLIENT_MAX_PACKET_LENGTH_DEFAULT);
    }

    private CompletableFuture<List<Node>> ask(List<String> paths) {
        return hasMultiRead ? askAtOnce(paths) : askSingly(paths, null);
    }

    private CompletableFuture<List<Node>> askAtOnce(List<String> paths) {
        CompletableFuture<List<Node>> answer = new CompletableFuture<>();
        Stream<Op> reads = paths.stream().map(path -> Op.getData(connection.full(path)));
        connection.handle().multi(reads.toList(), (code, path, context, results) -> {
            if (results != null) {
                settle(answer, paths, results);
            } else {
                answer.completeExceptionally(new Refused(code));
            }
        }, null);
        return answer.exceptionallyCompose(error -> {
            Throwable cause = error.getCause() != null ? error.getCause() : error;
            if (cause instanceof Refused refused && refused.code == KeeperException.Code.UNIMPLEMENTED.intValue()) {
                hasMultiRead = false;
                return askSingly(paths, null);
            }
            return CompletableFuture.failedFuture(
                    cause instanceof Refused refused ? Failures.of(refused.code, paths.get(0)) : cause);
        });
    }

    private static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1L;
        private final int code;

        Refused(int code) {
            super(null, null, false, false);
            this.code = code;
        }
    }

    private static void settle(CompletableFuture<List<Node>> answer, List<String> paths, List<OpResult> results) {
        List<Node> nodes = new ArrayList<>(results.size());
        for (OpResult result : results) {
            if (result instanceof OpResult.GetDataResult found) {
                nodes.add(node(found.getData(), found.getStat()));
            } else if (result instanceof OpResult.ErrorResult error
                    && error.getErr() == KeeperException.Code.NONODE.intValue()) {
                nodes.add(null);
            } else {
                int code = result instanceof OpResult.ErrorResult error ? error.getErr() : 0;
                answer.completeExceptionally(Failures.of(code, paths.get(nodes.size())));
                return;
            }
        }
        answer.complete(nodes);
    }

    private static Node node(byte[] data, Stat stat) {
        return new Node(data == null ? new byte[0] : data, stat);
    }

    /** One request a node, each with a watch where there is one to be set. */
    private CompletableFuture<List<Node>> askSingly(List<String> paths, List<Watcher> watchers) {
        ZooKeeper zk = connection.handle();
        List<CompletableFuture<Node>> answers = new ArrayList<>();
        for (int i = 0; i < paths.size(); i++) {
            CompletableFuture<Node> answer = new CompletableFuture<>();
            String path = paths.get(i);
            zk.getData(connection.full(path), watchers == null ? null : watchers.get(i), (code, p, context, data, stat) -> {
                if (code == KeeperException.Code.OK.intValue()) {
                    answer.complete(node(data, stat));
                } else if (code == KeeperException.Code.NONODE.intValue()) {
                    answer.complete(null);
                } else {
                    answer.completeExceptionally(Failures.of(code, path));
                }
            }, null);
            answers.add(answer);
        }
        return CompletableFuture.allOf(answers.toArray(new CompletableFuture<?>[0]))
                .thenApply(done -> {
                    List<Node> nodes = new ArrayList<>(answers.size());
                    answers.forEach(one -> nodes.add(one.join()));
                    return nodes;
                });
    }

    /** As {@link #each}, one request a node, and one call of {@code changed} for each that changes or goes later. */
    void watch(List<String> paths, java.util.function.Consumer<String> changed, BiConsumer<String, Node> take)
            throws InterruptedException {
        for (int at = 0; at < paths.size(); at += WATCHES_IN_FLIGHT) {
            List<String> some = paths.subList(at, Math.min(paths.size(), at + WATCHES_IN_FLIGHT));
            List<Watcher> watchers = new ArrayList<>();
            some.forEach(path -> watchers.add(Connection.changes(() -> changed.accept(path))));
            List<Node> nodes = Connection.wait(askSingly(some, watchers), Connection.CALL);
            for (int i = 0; i < nodes.size(); i++) {
                take.accept(some.get(i), nodes.get(i));
            }
        }
    }
}
