package io.rainer.mirror;

import java.io.IOException;
import java.lang.System.Logger.Level;

/** Writes a mirror's snapshot to disk, from time to time and at the end, on a thread of its own. */
final class Saver {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    /** At least so long between two snapshots, and twenty times as long as the last one took. */
    private static final long PAUSE_MS = 5_000;
    private static final int SHARE = 20;
    /** Without any change, a snapshot is written anew this often, so that its age stays a little true. */
    private static final long IDLE_MS = 600_000;

    private final SnapshotFile file;
    private final Feed feed;
    private final Standing standing;
    private final Thread thread;
    private final Object signal = new Object();
    private boolean hasChanged;
    private boolean isEnded;
    private State saved;
    private long savedCurrentMs;
    private long nextAtMs = now();
    private String complaint = "";

    Saver(SnapshotFile file, Feed feed, Standing standing) {
        this.file = file;
        this.feed = feed;
        this.standing = standing;
        thread = new Thread(this::run, "rainer-mirror-" + feed.namespace() + "-snapshot");
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    /** Something has changed. */
    void note() {
        synchronized (signal) {
            hasChanged = true;
            signal.notifyAll();
        }
    }

    /** Saves for the last time what has changed since, or is known to be current since, and ends the thread. */
    void close() {
        synchronized (signal) {
            isEnded = true;
            signal.notifyAll();
        }
        boolean isInterrupted = Thread.interrupted();
        try {
            thread.join();
        } catch (InterruptedException e) {
            isInterrupted = true;
        }
        save();
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        while (true) {
            synchronized (signal) {
                pause(IDLE_MS, true);
                pause(nextAtMs - now(), false);
                if (isEnded) {
                    return;
                }
                hasChanged = false;
            }
            save();
        }
    }

    private void pause(long ms, boolean untilChanged) {
        long until = now() + ms;
        while (!isEnded && !(untilChanged && hasChanged) && now() < until) {
            try {
                signal.wait(Math.max(1, until - now()));
            } catch (InterruptedException e) {
                isEnded = true;
            }
        }
    }

    private void save() {
        State state;
        long currentMs;
        feed.lock.lock();
        try {
            state = feed.state();
            currentMs = standing.currentMs();
            if (!standing.isComplete || currentMs < 0) {
                return;
            }
        } finally {
            feed.lock.unlock();
        }
        // The moment is told to the millisecond anew each time.
        if (state == saved && Math.abs(currentMs - savedCurrentMs) <= 2) {
            return;
        }
        long begun = now();
        try {
            file.save(state, currentMs);
            saved = state;
            savedCurrentMs = currentMs;
            complaint = "";
        } catch (IOException | RuntimeException | OutOfMemoryError e) { // whatever it is, the next may succeed
            complain(e.toString());
        }
        nextAtMs = now() + Math.max(PAUSE_MS, SHARE * (now() - begun));
    }

    private void complain(String why) {
        if (!why.equals(complaint)) {
            complaint = why;
            LOG.log(Level.WARNING, "the snapshot of {0} cannot be written: {1}", feed.namespace(), why);
        }
    }

    private static long now() {
        return System.nanoTime() / 1_000_000;
    }
}
