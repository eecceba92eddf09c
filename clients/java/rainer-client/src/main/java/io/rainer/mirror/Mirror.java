package io.rainer.mirror;

import io.rainer.Commit;
import io.rainer.InvalidException;
import io.rainer.Names;
import io.rainer.Position;
import io.rainer.RainerException;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * All non-empty heads of a namespace by key, in this program's memory: follows its source by itself, goes on with what it
 * has when everything behind it is down, and starts from a snapshot on disk then.
 *
 * <p>{@link #start} begins and {@link #awaitReady} waits. Safe across threads; no reader ever waits. A changeset is seen
 * whole or not at all, and within a lineage nothing goes back. {@link #snapshot} is of one moment and costs nothing.
 * All its threads are daemons: {@link #close} it, or let the program end.
 */
public final class Mirror implements AutoCloseable {
    /** The {@link #age} of what was never known to be current. */
    public static final Duration NEVER = Standing.NEVER;

    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");

    private final String namespace;
    private final Supplier<? extends Source> openSource;
    private final Standing standing = new Standing();
    private final Listeners listeners;
    private final Feed feed;
    private final Waiting waiting;
    private final Map<String, Commit> heads = new LiveHeads(this::snapshot);
    private final SnapshotFile file;
    private final Object life = new Object();
    private volatile Saver saver;
    private Source source;
    private volatile String where = "its source";

    private Mirror(String namespace, Supplier<? extends Source> openSource, MirrorOptions options) {
        this.namespace = Names.checkNamespace(namespace);
        this.openSource = openSource;
        listeners = new Listeners(namespace);
        feed = new Feed(namespace, standing, listeners::wantsSteps, this::tell);
        waiting = new Waiting(feed, standing);
        file = options.snapshot() == null ? null : new SnapshotFile(options.snapshot(), namespace);
    }

    /**
     * A mirror of the namespace at the end of {@code url}, such as {@code http://localhost:8080/diary}; not started.
     *
     * @throws InvalidException for a URL or token that cannot be one
     */
    public static Mirror http(String url, MirrorOptions options) {
        HttpAddress address = HttpAddress.of(url, options.token());
        return of(address.namespace(), () -> new HttpSource(address, options), options);
    }

    /** The same with {@link MirrorOptions#defaults}. */
    public static Mirror http(String url) {
        return http(url, MirrorOptions.defaults());
    }

    /** A mirror of a namespace from any source, opened when it starts. */
    public static Mirror of(String namespace, Supplier<? extends Source> openSource, MirrorOptions options) {
        return new Mirror(namespace, openSource, options);
    }

    // Life

    /**
     * Begins with the snapshot on disk, if there is one, and to follow; does not wait for the source. Once.
     *
     * @throws InvalidException where it was started or closed before
     */
    public Mirror start() {
        synchronized (life) {
            if (standing.isStarted || standing.isClosed) {
                throw new InvalidException("a mirror is started once; make another one");
            }
            standing.isStarted = true;
            restore();
            if (file != null) {
                saver = new Saver(file, feed, standing);
                saver.start();
            }
            source = openSource.get();
            where = source.describe();
            source.start(feed);
        }
        return this;
    }

    private void restore() {
        Snapshot found = file == null ? null : file.load();
        if (found != null) {
            List<Incoming> records =
                    found.records().stream().map(head -> Incoming.of(head, namespace)).toList();
            feed.restore(records, found.position(), found.currentMs());
        }
    }

    /**
     * Waits until what is held is complete, or as good as a snapshot on disk when the source is away or says nothing for
     * two seconds; {@link #state} is then STALE. Starts it where nobody has.
     *
     * @throws NotYetException where there is nothing to read in time; the mirror goes on trying
     */
    public Mirror awaitReady(Duration timeout) throws InterruptedException {
        synchronized (life) {
            if (!standing.isStarted) {
                start();
            }
        }
        waiting.forLoad(where, timeout);
        return this;
    }

    /**
     * Stops following, saves the snapshot, ends all threads. What is held can still be read. May be called again.
     *
     * <p>Waiting calls are woken, and the listener that runs now is waited for, unless it is the one that calls.
     */
    @Override
    public void close() {
        synchronized (life) {
            Source ended = source;
            Saver last = saver;
            source = null;
            saver = null;
            try {
                if (ended != null) {
                    windUp(ended);
                }
                if (last != null) {
                    last.close();
                }
            } finally {
                sayClosed();
            }
        }
        listeners.close();
    }

    private void sayClosed() {
        feed.lock.lock();
        try {
            standing.isClosed = true;
            feed.changed.signalAll();
        } finally {
            feed.lock.unlock();
        }
    }

    private void windUp(Source ended) {
        try {
            ended.close();
        } catch (RuntimeException e) {
            LOG.log(Level.WARNING, "the source of {0} did not close well: {1}", namespace, e.toString());
        }
    }

    @Override
    public String toString() {
        return "Mirror[" + namespace + ", " + snapshot().size() + " heads, revision " + revision() + ", " + state() + "]";
    }

    // Reading

    /** The head of a key, null where there is none. */
    public Commit get(String key) {
        return feed.state().heads().get(key);
    }

    /** A live view that cannot be written: each call, and each iteration, is of one moment. */
    public Map<String, Commit> heads() {
        return heads;
    }

    /** Everything as of this moment, for good; costs nothing. */
    public MirrorSnapshot snapshot() {
        return new MirrorSnapshot(feed.state());
    }

    /**
     * A live map of parsed payloads that keeps the last good value of each, such as {@code values(mapper::readTree)};
     * what fails is said in the log and in its errors. Hold on to it: one that nobody holds is not kept up.
     */
    public <T> Values<T> values(PayloadParser<T> parser) {
        Values<T> view = new Values<>(feed, parser);
        feed.lock.lock();
        try {
            listeners.add(view);
        } finally {
            feed.lock.unlock();
        }
        return view;
    }

    // How it stands

    /** The namespace that it mirrors. */
    public String namespace() {
        return namespace;
    }

    /** The journal's position that is held; empty before the first load, and where the source tells none. */
    public Optional<Position> position() {
        return Optional.ofNullable(feed.position());
    }

    /** The revision of {@link #position}, 0 where there is none: all of the namespace's commits up to it are seen. */
    public long revision() {
        return snapshot().revision();
    }

    /**
     * How long ago what is held was last known to be all there is; {@link #NEVER} where it never was. An idle source says
     * so every few seconds; a dead one lets this grow. Counts from a snapshot's own age, too.
     */
    public Duration age() {
        return standing.age();
    }

    /** How far it can be trusted right now. */
    public MirrorState state() {
        return standing.state();
    }

    /** Why the source cannot be followed at present; empty while it can. */
    public Optional<RainerException> error() {
        return Optional.ofNullable(standing.error);
    }

    /** Keys whose newest bytes could not be taken, and why; the last good value of each is kept. */
    public Map<String, String> rejected() {
        return feed.rejected();
    }

    // Waiting

    /**
     * Waits until this version of a key or a later one is seen; the head then, empty if that is a removal. May be called
     * in a listener.
     *
     * @throws NotYetException when the time is up or the mirror is closed
     */
    public Optional<Commit> waitFor(String key, int version, Duration timeout) throws InterruptedException {
        Names.checkVersion(version);
        waiting.until(() -> feed.version(key) >= version, timeout, "version " + version + " of key " + Names.shorten(key));
        return Optional.ofNullable(get(key));
    }

    /** Waits until everything up to a revision of the journal is seen; as {@link #waitFor}. */
    public void waitForRevision(long revision, Duration timeout) throws InterruptedException {
        waiting.until(() -> revision() >= revision, timeout, "revision " + revision);
    }

    // Listening

    /**
     * Calls a listener for every change from now on, in order, after the change can be read; closing what comes back ends
     * that. One that lags 10,000 changes behind gets them merged, one a key. What a start loads are changes, too.
     */
    public Registration onChange(ChangeListener listener) {
        feed.lock.lock();
        try {
            return listeners.add(listener, feed.state().generation());
        } finally {
            feed.lock.unlock();
        }
    }

    /** The same, whole changesets at a time, each with the snapshot after it. */
    public Registration onChangeset(ChangesetListener listener) {
        feed.lock.lock();
        try {
            return listeners.add(listener, feed.state().generation());
        } finally {
            feed.lock.unlock();
        }
    }

    private void tell(Step step) {
        listeners.tell(step);
        Saver noted = saver;
        if (noted != null) {
            noted.note();
        }
    }
}
