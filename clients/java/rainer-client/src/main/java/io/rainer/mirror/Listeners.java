package io.rainer.mirror;

import java.lang.System.Logger.Level;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/**
 * Tells listeners and parsed values of changes, on one thread that runs from the first of them to {@link #close}. The
 * writer only appends to a list; no lock is held while a listener runs.
 */
final class Listeners {
    /** A listener that is behind by more gets one change a key, from what it last saw to what is held now. */
    static final int CHANGES_MAX = 10_000;

    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    private static final long END_MS = 10_000;

    private final String namespace;
    private final List<Entry> entries = new CopyOnWriteArrayList<>();
    private final List<WeakReference<Values<?>>> values = new CopyOnWriteArrayList<>();
    private final Object queueLock = new Object();
    private List<Step> queue = new ArrayList<>();
    private int queuedChanges;
    private Thread thread;
    private volatile boolean isClosed;

    Listeners(String namespace) {
        this.namespace = namespace;
    }

    /** A listener, and the generation that was held when it came: it hears of later ones. */
    private record Entry(Consumer<Step> listener, long since) {}

    boolean wantsSteps() {
        return !entries.isEmpty() || !values.isEmpty();
    }

    /** Calls it for every change after {@code since}. Under the feed's lock. */
    Registration add(ChangeListener listener, long since) {
        Objects.requireNonNull(listener);
        return add(new Entry(step -> {
            for (Change change : step.changes()) {
                guarded(change.key(), () -> listener.changed(change.key(), change.before(), change.after()));
            }
        }, since));
    }

    /** The same for whole changesets. */
    Registration add(ChangesetListener listener, long since) {
        Objects.requireNonNull(listener);
        return add(new Entry(step -> {
            Changeset all = new Changeset(List.copyOf(step.changes()), new MirrorSnapshot(step.state()));
            guarded(step.changes().get(0).key(), () -> listener.changed(all));
        }, since));
    }

    private Registration add(Entry entry) {
        entries.add(entry);
        run();
        return () -> entries.removeIf(one -> one == entry);
    }

    /** Keeps a view up for as long as somebody holds it. Under the feed's lock. */
    void add(Values<?> view) {
        values.removeIf(one -> one.get() == null);
        values.add(new WeakReference<>(view));
        run();
    }

    private void run() {
        synchronized (queueLock) {
            if (thread == null && !isClosed) {
                thread = new Thread(this::call, "rainer-mirror-" + namespace + "-listeners");
                thread.setDaemon(true);
                thread.start();
            }
        }
    }

    /** Has everybody hear of what changed. Under the feed's lock, so that the order is the journal's. */
    void tell(Step step) {
        if (step.changes().isEmpty()) {
            return;
        }
        for (WeakReference<Values<?>> one : values) {
            Values<?> view = one.get();
            if (view != null) {
                step.changes().forEach(view::step);
            }
        }
        if (!wantsSteps()) {
            return;
        }
        synchronized (queueLock) {
            if (isClosed) {
                return;
            }
            queue.add(step);
            queuedChanges += step.changes().size();
            if (queuedChanges > CHANGES_MAX && queue.size() > 1) {
                Step merged = merged(queue);
                queue = new ArrayList<>(List.of(merged));
                queuedChanges = merged.changes().size();
            }
            queueLock.notifyAll();
        }
    }

    static Step merged(List<Step> steps) {
        Map<String, Change> last = new LinkedHashMap<>();
        for (Step step : steps) {
            for (Change change : step.changes()) {
                Change first = last.remove(change.key());
                last.put(change.key(), first == null ? change : new Change(change.key(), first.before(), change.after()));
            }
        }
        List<Change> changes = new ArrayList<>(last.values());
        changes.removeIf(change -> change.before() == null && change.after() == null);
        return new Step(steps.get(steps.size() - 1).state(), changes);
    }

    private void call() {
        List<Step> steps = take();
        while (!steps.isEmpty()) {
            for (Step step : steps) {
                tellAll(step);
                if (isClosed) {
                    return;
                }
            }
            steps = take();
        }
    }

    private List<Step> take() {
        synchronized (queueLock) {
            while (queue.isEmpty() && !isClosed) {
                try {
                    queueLock.wait();
                } catch (InterruptedException e) {
                    continue; // a listener's own doing: this thread ends with its mirror
                }
            }
            List<Step> taken = isClosed ? List.of() : queue;
            queue = new ArrayList<>();
            queuedChanges = 0;
            return taken;
        }
    }

    private void tellAll(Step step) {
        for (WeakReference<Values<?>> one : values) {
            Values<?> view = one.get();
            if (view != null) {
                step.changes().forEach(change -> guarded(change.key(), () -> view.look(change.key())));
            }
        }
        for (Entry entry : entries) {
            if (!step.changes().isEmpty() && step.state().generation() > entry.since() && !isClosed) {
                entry.listener().accept(step);
            }
        }
    }

    private interface Call {
        void run() throws Exception;
    }

    private void guarded(String key, Call call) {
        if (isClosed) {
            return;
        }
        try {
            call.run();
        } catch (Throwable e) { // also a failed assertion: whatever it is, the others go on
            LOG.log(Level.ERROR, "a listener failed on key " + key + " of " + namespace + "; the others go on", e);
        }
    }

    /** Calls nobody any more; waits for the listener that runs now, unless this is it. */
    void close() {
        Thread running;
        synchronized (queueLock) {
            isClosed = true;
            queue.clear();
            queueLock.notifyAll();
            running = thread;
        }
        if (running == null || running == Thread.currentThread()) {
            return;
        }
        try {
            running.join(END_MS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (running.isAlive()) {
            LOG.log(Level.WARNING, "a listener of {0} runs on after its mirror was closed", namespace);
        }
    }
}
