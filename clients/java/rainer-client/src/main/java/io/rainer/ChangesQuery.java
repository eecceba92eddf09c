package io.rainer;

import java.time.Duration;

/**
 * Which page of the feed is asked for; immutable.
 *
 * <pre>{@code ChangesQuery.after(page.position()).waiting(Duration.ofSeconds(30))}</pre>
 *
 * @param since the revision after which the page begins
 * @param lineage with {@code chain}, the history to which {@code since} belongs; null: whichever it is
 * @param chain null: not compared
 * @param limit about how many commits, 1 to 10,000; no changeset is split
 * @param waitFor how long the server holds back an answer without commits: whole seconds, rounded up, 60 at most
 * @param payloads whether the commits carry their payloads
 */
public record ChangesQuery(
        long since, String lineage, String chain, int limit, Duration waitFor, boolean payloads) {

    /** What follows a revision, 0 for all; with payloads, without waiting. */
    public static ChangesQuery since(long revision) {
        return new ChangesQuery(revision, null, null, Limits.FEED_PAGE_DEFAULT, Duration.ZERO, true);
    }

    /** What follows a position; PositionGoneException if the journal has another history by now. */
    public static ChangesQuery after(Position position) {
        return new ChangesQuery(
                position.revision(), position.lineage(), position.chain(), Limits.FEED_PAGE_DEFAULT, Duration.ZERO, true);
    }

    /** The same, held back by the server while there is nothing. */
    public ChangesQuery waiting(Duration longest) {
        return new ChangesQuery(since, lineage, chain, limit, longest, payloads);
    }

    /** The same with another size of the page. */
    public ChangesQuery limit(int commits) {
        return new ChangesQuery(since, lineage, chain, commits, waitFor, payloads);
    }

    /** The same, every payload null. */
    public ChangesQuery withoutPayloads() {
        return new ChangesQuery(since, lineage, chain, limit, waitFor, false);
    }

    /** The wait in whole seconds within the server's bounds; null for none. */
    Long waitSeconds() {
        long seconds = (Math.max(0, waitFor.toMillis()) + 999) / 1000;
        return seconds == 0 ? null : Math.min(seconds, Limits.FEED_WAIT_S_MAX);
    }
}
