package io.rainer.zookeeper;

import io.rainer.Position;

/**
 * Where a follower stands in a tree's log: the number and position of the last batch, and of which life and lineage the
 * tree is. Under its follower's lock.
 */
final class Stand {
    static final long NOWHERE = -1;

    long n = NOWHERE;
    Node.Life life;
    String lineage = "";
    Position last;
    boolean awaitsHead;

    /** Whether a head is behind what is held, in its number or the journal's. */
    boolean isBehind(TreeHead head, Position held) {
        return isOlder(head, held)
                || held != null && head.position().lineage().equals(held.lineage()) && head.n() < n;
    }

    /** Whether a head's revision is behind what is held of the same lineage. */
    static boolean isOlder(TreeHead head, Position held) {
        return held != null && head.position().lineage().equals(held.lineage())
                && head.position().revision() < held.revision();
    }

    /** Whether it is another tree's than this, or another life's of it. */
    boolean isOther(TreeReader.Found found) {
        return !found.life().equals(life) || !found.head().position().lineage().equals(lineage);
    }

    /** Whether the log may lead from what is held to this head. */
    boolean goesOn(TreeReader.Found found, Position held) {
        if (n == NOWHERE || held == null || isOther(found)) {
            return false;
        }
        Position there = found.head().position();
        boolean isOtherHistory = there.revision() == held.revision() && !there.chain().equals(held.chain());
        return found.head().n() >= n && !isOtherHistory;
    }
}
