package io.rainer.zookeeper;

import io.rainer.CorruptException;
import io.rainer.UnavailableException;
import io.rainer.mirror.Incoming;
import io.rainer.mirror.Packed;
import io.rainer.mirror.PackedHead;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads a published tree: its head, batches of its log, all of it at one moment, and what lies there in pieces. Waits for
 * its answers. Throws Rainer's errors, and MovedException where it says so.
 */
final class TreeReader {
    private static final int ATTEMPTS = 6;

    private final Connection connection;
    private final ManyReader many;
    private final Tree tree;

    TreeReader(Connection connection, ManyReader many, Tree tree) {
        this.connection = connection;
        this.many = many;
        this.tree = tree;
    }

    /** What was to be read is gone or changed under the reader: there is a newer state to be read. */
    static final class MovedException extends Exception {
        private static final long serialVersionUID = 1L;

        MovedException() {
            super(null, null, false, false);
        }
    }

    /** The head, and which node it is. */
    record Found(TreeHead head, Node.Life life, long mzxid) {
        static Found of(Node node) {
            return new Found(TreeHead.fromBytes(node.data()), node.life(), node.stat().getMzxid());
        }
    }

    /** Everything as of a head. */
    record Loaded(Found found, Collection<Incoming> heads) {}

    /** The head, null where there is none; {@code changed}, if any, is called once when it changes, goes or comes. */
    Found head(Runnable changed) throws InterruptedException {
        Node node = changed == null ? connection.get(tree.head(), null) : connection.watch(tree.head(), changed);
        return node == null ? null : Found.of(node);
    }

    /** Batches of the log, in order, as they are now; MovedException when one is not there any more. */
    List<Batch> batches(long first, long last) throws InterruptedException, MovedException {
        List<String> paths = new ArrayList<>();
        for (long n = first; n <= last; n++) {
            paths.add(tree.batch(n));
        }
        List<Batch> found = new ArrayList<>();
        for (byte[] data : many.large(paths)) {
            if (data == null) {
                throw new MovedException();
            }
            Batch batch = Batch.fromBytes(data);
            if (batch.n() != first + found.size()) {
                throw new CorruptException("the batch at " + paths.get(found.size()) + " says that it is number "
                        + batch.n());
            }
            found.add(batch);
        }
        return found;
    }

    /** The whole tree exactly as of one head, null where there is none. */
    Loaded load() throws InterruptedException {
        for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
            try {
                return load(attempt == ATTEMPTS);
            } catch (MovedException e) {
                continue;
            }
        }
        throw new UnavailableException(tree.root() + " changes faster than it can be read");
    }

    private Loaded load(boolean isLastAttempt) throws InterruptedException, MovedException {
        Found first = head(null);
        if (first == null) {
            return null;
        }
        Map<String, Incoming> heads = new LinkedHashMap<>();
        Map<String, PackedHead> parts = new HashMap<>();
        readNodes(heads, parts);
        Found last = head(null);
        boolean isOther = last == null || !last.life().equals(first.life())
                || !last.head().position().lineage().equals(first.head().position().lineage())
                || last.head().n() < first.head().n();
        if (isOther) {
            throw new MovedException();
        }
        // What the nodes showed lies somewhere between the two heads; the log makes it exact.
        for (Batch batch : batches(first.head().dataN() + 1, last.head().n())) {
            for (PackedHead record : batch.records()) {
                heads.remove(record.key());
                parts.remove(record.key());
                boolean isInvented = record.kind() == PackedHead.Kind.REMOVED && record.version() == 0;
                if (record.kind() == PackedHead.Kind.PARTS) {
                    parts.put(record.key(), record);
                } else if (!isInvented) {
                    heads.put(record.key(), Incoming.of(record, tree.namespace()));
                }
            }
        }
        for (PackedHead record : parts.values()) {
            heads.put(record.key(), join(record, !isLastAttempt));
        }
        return new Loaded(last, heads.values());
    }

    private void readNodes(Map<String, Incoming> heads, Map<String, PackedHead> parts) throws InterruptedException {
        List<String> keys = orNone(connection.children(tree.data(), null));
        List<String> large = orNone(connection.children(tree.large(), null));
        int data = tree.key("").length();
        many.each(keys.stream().map(tree::key).toList(), (path, node) -> {
            if (node != null) {
                String key = path.substring(data);
                heads.put(key, Incoming.of(key, node.data(), tree.namespace()));
            }
        });
        int base = tree.largeKey("").length();
        many.each(large.stream().map(tree::largeKey).toList(), (path, node) -> {
            if (node != null && node.data().length > 0) { // without: its pieces are on their way
                String key = path.substring(base);
                heads.remove(key);
                parts.put(key, new PackedHead(key, 0, 0, PackedHead.Kind.PARTS, node.data()));
            }
        });
    }

    private static List<String> orNone(List<String> names) {
        return names == null ? List.of() : names;
    }

    /**
     * The records judged, with what lies in pieces put together. Of a key that comes several times only the last is put
     * together: the pieces of the others may be gone already. MovedException where pieces are not there.
     */
    List<Incoming> join(List<PackedHead> records) throws InterruptedException, MovedException {
        Map<String, Integer> last = new HashMap<>();
        for (int i = 0; i < records.size(); i++) {
            last.put(records.get(i).key(), i);
        }
        List<Incoming> joined = new ArrayList<>(records.size());
        for (int i = 0; i < records.size(); i++) {
            PackedHead record = records.get(i);
            if (record.kind() != PackedHead.Kind.PARTS) {
                joined.add(Incoming.of(record, tree.namespace()));
            } else if (last.get(record.key()) == i) {
                joined.add(join(record, true));
            }
        }
        return joined;
    }

    private Incoming join(PackedHead record, boolean isPatient) throws InterruptedException, MovedException {
        Parts parts;
        try {
            parts = Parts.fromBytes(record.data());
        } catch (CorruptException e) {
            return Incoming.bad(record.key(), e.getMessage());
        }
        String base = tree.largeKey(record.key());
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        for (byte[] piece : many.large(parts.names().stream().map(name -> base + "/" + name).toList())) {
            if (piece == null && isPatient) {
                throw new MovedException();
            }
            whole.writeBytes(piece == null ? new byte[0] : piece);
        }
        byte[] data = whole.toByteArray();
        if (!HexFormat.of().formatHex(Packed.sha256(data, 0, data.length)).equals(parts.sha256())) {
            return Incoming.bad(record.key(), "the pieces under " + base + " are not what was published");
        }
        return Incoming.of(new PackedHead(record.key(), parts.version(), parts.revision(), PackedHead.Kind.HEAD, data),
                tree.namespace());
    }

    /** CorruptException unless they are changesets of this lineage, each with all its parts in order. */
    static void checkWhole(List<Batch> batches, String lineage) {
        long expected = 1;
        for (Batch batch : batches) {
            if (!batch.position().lineage().equals(lineage)) {
                throw new CorruptException("batch " + batch.n() + " is of lineage " + batch.position().lineage()
                        + ", and not of " + lineage);
            }
            if (batch.part() != expected) {
                throw new CorruptException("batch " + batch.n() + " is part " + batch.part() + " of " + batch.parts()
                        + ", where part " + expected + " belongs");
            }
            expected = batch.part() < batch.parts() ? batch.part() + 1 : 1;
        }
        if (expected != 1) {
            throw new CorruptException("the last batch is not the last of its parts");
        }
    }
}
