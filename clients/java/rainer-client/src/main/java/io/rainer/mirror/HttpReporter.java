package io.rainer.mirror;

import io.rainer.DeniedException;
import io.rainer.InvalidException;
import io.rainer.NotFoundException;
import io.rainer.RainerException;
import java.lang.System.Logger.Level;
import java.time.Duration;

/**
 * Tells the server what a mirror holds, on a thread of its own: at once when something changed after a quiet time, then
 * once a second at most; and every two seconds whatever happens, for who is silent for ten is forgotten.
 */
final class HttpReporter {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    private static final long LEAST_MS = 1_000;
    private static final long MOST_MS = 2_000;
    private static final long REFUSED_MS = 60_000;
    private static final Duration CALL = Duration.ofSeconds(2);

    private final HttpWire wire;
    private final Sink sink;
    private final String id = Report.newId();
    private final Thread thread = new Thread(this::run, "rainer-mirror-reports");
    private final Object signal = new Object();
    private String error = "";
    private boolean hasNews;
    private boolean isEnded;
    private boolean isKnown;

    HttpReporter(HttpWire wire, Sink sink) {
        this.wire = wire;
        this.sink = sink;
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    /** There is something to tell; {@code now} says what is wrong, the empty text that nothing is, null nothing. */
    void changed(String now) {
        synchronized (signal) {
            if (now == null || !now.equals(error)) {
                error = now == null ? error : now;
                hasNews = true;
                signal.notifyAll();
            }
        }
    }

    /** Says goodbye, if the server is there to hear it, and ends; takes a few seconds at most. */
    void close() {
        synchronized (signal) {
            isEnded = true;
            signal.notifyAll();
        }
        Threads.join(thread);
    }

    private void run() {
        try {
            boolean goesOn = true;
            while (goesOn) {
                long begun = now();
                boolean isHeard = tell();
                synchronized (signal) {
                    pause(begun + (isHeard ? LEAST_MS : REFUSED_MS), false);
                    pause(begun + MOST_MS, true);
                    hasNews = false;
                    goesOn = !isEnded;
                }
            }
            if (isKnown) {
                wire.send(path() + "?namespace=" + HttpAddress.encoded(sink.namespace()), null, CALL);
            }
        } catch (InterruptedException | RainerException e) {
            LOG.log(Level.DEBUG, "{0} was not told the end of its mirror: {1}", wire.address().base(), e);
        }
    }

    private void pause(long until, boolean untilNews) throws InterruptedException {
        while (!isEnded && !(untilNews && hasNews) && now() < until) {
            signal.wait(Math.max(1, until - now()));
        }
    }

    private String path() {
        return "/-/mirrors/" + id;
    }

    /** Reports; false if the server takes no reports. */
    private boolean tell() throws InterruptedException {
        String wrong;
        synchronized (signal) {
            wrong = error;
        }
        try {
            byte[] report = Report.of(id, sink, "http", wrong, sink.namespace()).toBytes();
            HttpAnswer answer = wire.send(path(), report, CALL);
            if (answer.status() >= 300) {
                answer.granted(sink.namespace());
            }
            isKnown = true;
        } catch (DeniedException | InvalidException | NotFoundException e) { // an ancestor's server, or an older one
            LOG.log(Level.INFO, "{0} takes no reports of mirrors: {1}", wire.address().base(), e.getMessage());
            return false;
        } catch (RuntimeException e) { // whatever it is, the next report may come through
            LOG.log(Level.DEBUG, "{0} was not told: {1}", wire.address().base(), e.toString());
        }
        return true;
    }

    private static long now() {
        return System.nanoTime() / 1_000_000;
    }
}
