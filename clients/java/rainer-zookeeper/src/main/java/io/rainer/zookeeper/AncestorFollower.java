package io.rainer.zookeeper;

import io.rainer.NotFoundException;
import io.rainer.mirror.Incoming;
import io.rainer.mirror.Sink;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Follows a tree without head and log, as the ancestor's publishers and keepers leave it: a watch on each key. For the
 * worker's thread; what watches tell is kept until its next turn.
 *
 * <p>What stands in {@code data/} is all there is: nodes come, change and go one by one, and no order among keys is told.
 */
final class AncestorFollower {
    private final Connection connection;
    private final ManyReader many;
    private final Tree tree;
    private final Sink sink;
    private final Runnable wake;
    private final Map<String, Seen> known = new HashMap<>();
    private long generation;
    private Set<String> changed = new HashSet<>();
    private boolean areChildrenChanged;

    AncestorFollower(Connection connection, ManyReader many, Tree tree, Sink sink, Runnable wake) {
        this.connection = connection;
        this.many = many;
        this.tree = tree;
        this.sink = sink;
        this.wake = wake;
    }

    /** Which node, and its last change. */
    private record Seen(long czxid, long mzxid) {
        static Seen of(Node node) {
            return new Seen(node.stat().getCzxid(), node.stat().getMzxid());
        }
    }

    private synchronized long begin() {
        changed.clear();
        areChildrenChanged = false;
        return ++generation;
    }

    /** Reads everything, hands it over, then watches every key; false where there is no {@code data}. */
    boolean follow() throws InterruptedException {
        long begun = begin();
        List<String> keys = children(begun);
        if (keys == null) {
            return false;
        }
        known.clear();
        List<Incoming> heads = new ArrayList<>();
        int base = tree.key("").length();
        many.each(keys.stream().map(tree::key).toList(), (path, node) -> {
            if (node != null) {
                String key = path.substring(base);
                heads.add(Incoming.of(key, node.data(), tree.namespace()));
                known.put(key, Seen.of(node));
            }
        });
        long askedMs = System.currentTimeMillis();
        sink.replace(heads, null);
        sink.confirm(-1, askedMs);
        // Ready by now; what changed before its watch stood, the watch's own answer shows.
        update(keys, begun);
        return true;
    }

    synchronized boolean hasWork() {
        return !changed.isEmpty() || areChildrenChanged;
    }

    /** Applies what the watches told of; NotFoundException where the tree itself is gone. */
    void turn() throws InterruptedException {
        long now;
        Set<String> keys;
        boolean hasOtherChildren;
        synchronized (this) {
            now = generation;
            keys = new TreeSet<>(changed);
            changed = new HashSet<>();
            hasOtherChildren = areChildrenChanged;
            areChildrenChanged = false;
        }
        boolean isGone = false;
        if (hasOtherChildren) {
            List<String> there = children(now);
            isGone = there == null;
            Set<String> names = there == null ? Set.of() : new HashSet<>(there);
            names.stream().filter(name -> !known.containsKey(name)).forEach(keys::add);
            known.keySet().stream().filter(name -> !names.contains(name)).forEach(keys::add);
        }
        update(new ArrayList<>(keys), now);
        if (isGone) { // and no watch stands that would tell of its coming back
            throw new NotFoundException("nothing is published at " + tree.root() + " any more", "was the tree removed?",
                    Map.of());
        }
    }

    /** Confirms that the server answers: then the watches would have told of changes. */
    void look(Duration patience) throws InterruptedException {
        long askedMs = System.currentTimeMillis();
        many.read(List.of(tree.data()), patience);
        if (!hasWork()) {
            sink.confirm(-1, askedMs);
        }
    }

    private List<String> children(long of) throws InterruptedException {
        return connection.children(tree.data(), () -> note(of, null));
    }

    private void note(long of, String key) {
        synchronized (this) {
            if (of != generation) {
                return;
            }
            if (key == null) {
                areChildrenChanged = true;
            } else {
                changed.add(key);
            }
        }
        wake.run();
    }

    private void update(List<String> keys, long of) throws InterruptedException {
        int base = tree.key("").length();
        many.watch(keys.stream().map(tree::key).toList(), path -> note(of, path.substring(base)),
                (path, node) -> take(path.substring(base), node));
    }

    private void take(String key, Node node) {
        Seen before = known.get(key);
        Seen now = node == null ? null : Seen.of(node);
        if (java.util.Objects.equals(before, now)) {
            return;
        }
        if (before != null && (now == null || now.czxid() != before.czxid())) {
            // Removed, perhaps made anew since: then its versions may begin anew, too.
            sink.apply(List.of(Incoming.forgotten(key)), null, true);
        }
        if (node == null) {
            known.remove(key);
        } else {
            sink.apply(List.of(Incoming.of(key, node.data(), tree.namespace())), null, false);
            known.put(key, now);
        }
    }
}
