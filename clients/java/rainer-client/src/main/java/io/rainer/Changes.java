package io.rainer;

import java.util.List;

/**
 * One page of the feed, oldest first; everything that matches up to its position has been delivered.
 *
 * @param position where the journal stood: go on from there, also where the page has no commits
 * @param more whether the next page is there already
 * @param commits whole changesets; immutable
 */
public record Changes(Position position, boolean more, List<Commit> commits) {
    /** A page with a list of its own. */
    public Changes {
        commits = List.copyOf(commits);
    }

    /** The revision of the position. */
    public long revision() {
        return position.revision();
    }
}
