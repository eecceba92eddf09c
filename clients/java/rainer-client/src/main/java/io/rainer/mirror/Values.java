package io.rainer.mirror;

import io.rainer.Commit;
import java.lang.System.Logger.Level;
import java.util.AbstractMap;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A live map of parsed payloads by key, where one that does not parse leaves the last that did. Keys that never had one
 * are not in it. Safe across threads.
 *
 * <p>A payload is parsed once, when it changes or is first read, on the mirror's or the reader's thread, whichever comes
 * first: a read is never older than the mirror. It is kept up for as long as somebody holds it.
 */
public final class Values<T> extends AbstractMap<String, T> {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");

    private final Feed feed;
    private final PayloadParser<T> parser;
    private final Map<String, Judged<T>> judged = new ConcurrentHashMap<>();
    private final Map<String, List<Commit>> before = new HashMap<>(); // under the feed's lock

    Values(Feed feed, PayloadParser<T> parser) {
        this.feed = feed;
        this.parser = parser;
    }

    /** A commit, its value or the last good one before it, and why it is not its own. */
    private record Judged<T>(Commit commit, T value, String why) {}

    /** The value of a key, null where it never had one. */
    @Override
    public T get(Object key) {
        Commit commit = key instanceof String text ? feed.state().heads().get(text) : null;
        return commit == null ? null : now(commit).value();
    }

    @Override
    public boolean containsKey(Object key) {
        return get(key) != null;
    }

    /** All values of this moment; parses what nobody has read yet. */
    @Override
    public Set<Entry<String, T>> entrySet() {
        Map<String, T> found = new LinkedHashMap<>();
        for (Commit commit : feed.state().heads().all()) {
            T value = now(commit).value();
            if (value != null) {
                found.put(commit.key(), value);
            }
        }
        return Map.copyOf(found).entrySet();
    }

    /** Keys whose present payload does not parse, and why; each keeps its last good value, if it ever had one. */
    public Map<String, String> errors() {
        Map<String, String> found = new LinkedHashMap<>();
        for (Commit commit : feed.state().heads().all()) {
            String why = now(commit).why();
            if (why != null) {
                found.put(commit.key(), why);
            }
        }
        return found;
    }

    private Judged<T> now(Commit commit) {
        Judged<T> known = judged.get(commit.key());
        return known != null && known.commit() == commit ? known : judge(commit);
    }

    private Judged<T> judge(Commit commit) {
        Judged<T> found;
        try {
            found = new Judged<>(commit, parse(commit), null);
        } catch (Exception | StackOverflowError e) {
            String why = e.getClass().getSimpleName() + ": " + e.getMessage();
            found = new Judged<>(commit, lastGood(commit.key()), why);
        }
        feed.lock.lock();
        try {
            // Superseded meanwhile: then this payload waits among those before, should it be the last good one.
            if (feed.state().heads().get(commit.key()) == commit) {
                before.remove(commit.key());
                Judged<T> known = judged.put(commit.key(), found);
                if (found.why() != null && (known == null || known.commit() != commit)) {
                    LOG.log(Level.WARNING, "key {0} of {1}, version {2}, does not parse: {3}", commit.key(),
                            feed.namespace(), Integer.toString(commit.version()), found.why());
                }
            }
        } finally {
            feed.lock.unlock();
        }
        return found;
    }

    private T parse(Commit commit) throws Exception {
        byte[] payload = commit.payload();
        T value = parser.parse(payload == null ? new byte[0] : payload);
        if (value == null) {
            throw new IllegalArgumentException("the parser made nothing of it");
        }
        return value;
    }

    private T lastGood(String key) {
        List<Commit> earlier;
        Judged<T> known;
        feed.lock.lock();
        try {
            earlier = new ArrayList<>(before.getOrDefault(key, List.of()));
            known = judged.get(key);
        } finally {
            feed.lock.unlock();
        }
        for (Commit commit : earlier) {
            try {
                return parse(commit);
            } catch (Exception | StackOverflowError e) {
                continue; // neither this one; perhaps the one before
            }
        }
        return known == null ? null : known.value();
    }

    // By the mirror

    /** Under the feed's lock: keeps what may be the last good payload until the new one has been looked at. */
    void step(Change change) {
        if (change.after() == null) {
            judged.remove(change.key());
            before.remove(change.key());
        } else if (change.before() != null) {
            Judged<T> known = judged.get(change.key());
            if (known == null || known.commit() != change.before()) {
                before.computeIfAbsent(change.key(), key -> new ArrayList<>()).add(0, change.before());
            }
        }
    }

    /** On the mirror's thread: parses what came, so that it is known whether it can be. */
    void look(String key) {
        Commit commit = feed.state().heads().get(key);
        if (commit != null) {
            now(commit);
        }
    }
}
