package io.rainer.mirror;

import io.rainer.HttpRefusal;
import io.rainer.OverloadedException;
import io.rainer.Position;
import io.rainer.PositionGoneException;
import io.rainer.RainerException;
import io.rainer.UnavailableException;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;

/** Heads over HTTP: the list, then server-sent events, or long polls where events do not get through. One thread. */
final class HttpSource implements Source {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    /** A stream that says nothing for so long is dead: its server would have beaten every 5 s. */
    private static final Duration SILENCE = Duration.ofMillis(7_500);
    private static final int POLL_WAIT_S = 5;
    /** How long long polls take the place of events that did not get through, before these are tried again. */
    private static final long POLLING_NS = 300_000_000_000L;
    private static final long SETTLED_NS = 5_000_000_000L;
    private static final long RETRY_AFTER_MS_MAX = 10_000;
    private static final long PAUSE_MS = 50;
    private static final long PAUSE_MS_MAX = 2_000;

    private final HttpAddress address;
    private final MirrorOptions options;
    private final HttpWire wire;
    private volatile boolean isEnded;
    private Thread thread;
    private HttpReporter reporter;
    private Sink sink;
    private HttpQuestions questions;
    private Position at;
    private long pollsUntil = System.nanoTime();

    HttpSource(HttpAddress address, MirrorOptions options) {
        this.address = address;
        this.options = options;
        wire = new HttpWire(address, options);
    }

    @Override
    public String describe() {
        return address.base();
    }

    @Override
    public void start(Sink given) {
        sink = given;
        at = given.position();
        questions = new HttpQuestions(wire, given);
        if (options.reports()) {
            reporter = new HttpReporter(wire, given);
            reporter.start();
        }
        thread = new Thread(this::run, "rainer-mirror-" + address.namespace() + "-http");
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() {
        isEnded = true;
        if (thread != null) {
            thread.interrupt();
            Threads.join(thread);
        }
        if (reporter != null) {
            reporter.close();
        }
    }

    private void run() {
        int failures = 0;
        try {
            while (!isEnded) {
                long begun = System.nanoTime();
                long pauseMs = turn();
                failures = System.nanoTime() - begun > SETTLED_NS ? 1 : failures + 1;
                Thread.sleep(Math.max(pauseMs, pauseAfter(failures)));
            }
        } catch (InterruptedException e) {
            LOG.log(Level.DEBUG, "the mirror of {0} ends", address.base());
        }
    }

    /** Follows for as long as it goes well; the milliseconds that the server asked to be left alone. */
    private long turn() throws InterruptedException {
        try {
            follow();
            return 0;
        } catch (PositionGoneException e) {
            LOG.log(Level.INFO, "{0} is loaded anew: {1}", address.base(), e.getMessage());
            at = null;
            return 0;
        } catch (RainerException e) {
            return away(e);
        } catch (RuntimeException | StackOverflowError | OutOfMemoryError e) { // whatever it is: a mirror that gave up would look like one with nothing new
            LOG.log(Level.ERROR, "the mirror of " + address.base() + " stumbled and goes on", e);
            return away(new UnavailableException(address.base() + ": " + e));
        }
    }

    private static long pauseAfter(int failures) {
        long longest = Math.min(PAUSE_MS_MAX, PAUSE_MS << Math.min(failures - 1, 10));
        // Half of it random: mirrors that failed together must not come back together.
        return longest / 2 + ThreadLocalRandom.current().nextLong(longest / 2 + 1);
    }

    private long away(RainerException error) {
        if (!isEnded) {
            LOG.log(Level.DEBUG, "{0}: {1}", address.base(), error.getMessage());
            sink.away(error);
            report(error.getMessage());
        }
        if (error instanceof OverloadedException && error.details().get("retry_after_s") instanceof Number seconds) {
            return Math.min(seconds.longValue() * 1000, RETRY_AFTER_MS_MAX);
        }
        return 0;
    }

    private void report(String error) {
        if (reporter != null) {
            reporter.changed(error);
        }
    }

    /** Loads what is not there, catches up, and follows until something fails or the server ends the stream. */
    private void follow() throws InterruptedException {
        if (at == null) {
            HttpQuestions.Loaded loaded = questions.load();
            if (loaded.position() == null) {
                followAncestor(loaded.ancestors());
                return;
            }
            at = loaded.position();
            report("");
            report(null);
        }
        catchUp();
        if (System.nanoTime() - pollsUntil < 0) {
            followByPolls();
        } else {
            followByEvents();
        }
    }

    /** Asks for the list again and again, until it is a Rainer server that answers. */
    private void followAncestor(HttpAnswer first) throws InterruptedException {
        HttpAnswer answer = first;
        while (!isEnded && answer.isAncestors()) {
            long askedMs = System.currentTimeMillis();
            if (answer.status() == 200) {
                sink.replace(HttpPage.list(answer, address.namespace()), null);
            }
            sink.confirm(-1, askedMs);
            String tag = answer.header("etag");
            Thread.sleep(options.poll().toMillis());
            answer = questions.list(tag.isEmpty() ? null : tag);
        }
    }

    private void catchUp() throws InterruptedException {
        boolean more = true;
        while (more) {
            long askedMs = System.currentTimeMillis();
            HttpPage page = questions.page(at, true, 0);
            take(page, askedMs);
            more = page.more();
        }
    }

    /** Has the mirror take a page: as a whole, for a page never splits a changeset. */
    private void take(HttpPage page, long askedMs) {
        boolean hasNews = !page.position().equals(at) || !page.records().isEmpty();
        if (hasNews && !sink.apply(page.records(), page.position(), false)) {
            throw new PositionGoneException("what the mirror holds is not what " + address.base() + " goes on from");
        }
        at = page.position();
        if (!page.more()) {
            confirm(page.ageMs(), askedMs);
        }
        if (hasNews) {
            report(null);
        }
    }

    /** The server had nothing newer than what was taken; a mirror knows that only as of when it was current. */
    private void confirm(long ageMs, long askedMs) {
        if (ageMs >= 0 && at != null) {
            sink.confirm(at.revision(), askedMs - ageMs);
        }
        boolean isOld = ageMs < 0 || ageMs > Standing.STALE_AFTER.toMillis();
        report(isOld ? address.base() + " is a mirror, and not current itself" : "");
    }

    private void followByPolls() throws InterruptedException {
        while (System.nanoTime() - pollsUntil < 0) {
            long askedMs = System.currentTimeMillis();
            take(questions.page(at, true, POLL_WAIT_S), askedMs);
        }
    }

    private void followByEvents() throws InterruptedException {
        Map<String, String> headers = Map.of("Accept", "text/event-stream", "Cache-Control", "no-cache");
        boolean[] hasHeard = {false};
        try (HttpPieces pieces = wire.open(questions.feedPath(at, true, 0), headers, SILENCE)) {
            if (pieces.status() != 200) {
                new HttpAnswer(pieces.status(), pieces.headers(), pieces.all(SILENCE, SILENCE), address.root())
                        .granted(address.namespace());
            }
            if (pieces.contentType().equals("text/event-stream")) {
                read(pieces, hasHeard);
                return;
            }
        } catch (HttpPieces.SilenceException e) {
            if (hasHeard[0]) {
                throw e;
            }
        }
        LOG.log(Level.INFO, "events of {0} do not get through; polling instead", address.base());
        pollsUntil = System.nanoTime() + POLLING_NS;
    }

    private void read(HttpPieces pieces, boolean[] hasHeard) throws InterruptedException {
        ServerEvents events = new ServerEvents(pieces::next);
        boolean isTroubled = false;
        for (ServerEvents.Event event = events.next(SILENCE); event != null; event = events.next(SILENCE)) {
            hasHeard[0] = true;
            HttpAnswer answer = new HttpAnswer(200, pieces.headers(), event.data(), address.root());
            if (event.kind().equals("changes")) {
                isTroubled = false;
                HttpPage page = questions.sameSight(HttpPage.of(answer, event.data(), address.namespace()));
                take(page, System.currentTimeMillis());
            } else if (event.kind().equals("gone")) {
                throw HttpRefusal.of(event.data(), address.base(), address.namespace());
            } else if (event.kind().isEmpty() && event.text().startsWith("beat")) {
                if (!isTroubled) {
                    confirm(ageOfBeat(event.text()), System.currentTimeMillis());
                }
                isTroubled = false; // a second beat without trouble between them is to be believed
            } else if (event.kind().isEmpty()) {
                // The server is there, and cannot look at its database: it knows nothing of what it misses.
                isTroubled = true;
                away(new UnavailableException(address.base() + " cannot tell what is new: " + event.text()));
            }
        }
    }

    /** How old a mirror says that it is, in {@code beat age_s=0.25}; a journal's server says nothing and is not. */
    private static long ageOfBeat(String beat) {
        int told = beat.indexOf("age_s=");
        if (told < 0) {
            return 0;
        }
        try {
            return (long) (Math.max(0, Double.parseDouble(beat.substring(told + 6).strip())) * 1000);
        } catch (NumberFormatException e) {
            return -1;
        }
    }
}
