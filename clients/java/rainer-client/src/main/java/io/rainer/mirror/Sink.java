package io.rainer.mirror;

import io.rainer.Position;
import io.rainer.RainerException;
import java.util.List;
import java.util.Map;

/**
 * What a source feeds: the mirror. Calls may come from any thread; readers see each as a whole. No call waits for a
 * user's code, and none throws for what the data holds.
 */
public interface Sink {
    /** The mirror's namespace. */
    String namespace();

    /** What the mirror holds now, also from disk; null before the first load, and where none is told. */
    Position position();

    /** Keys whose bytes could not be taken, each with the reason. */
    Map<String, String> rejected();

    /**
     * Takes a whole, consistent state; what differs becomes changes. Of a key that comes twice the later head counts.
     *
     * <p>False, and nothing taken, where {@code position} is older than the one held of the same lineage: let the
     * server catch up and read again. Another lineage is taken, and said in the log. Without a position (an ancestor's)
     * no key goes back to a lower version.
     */
    boolean replace(Iterable<Incoming> heads, Position position);

    /**
     * Takes whole changesets, those between the held position and {@code position}, in journal order.
     *
     * <p>Versions that are held already, or older, are ignored unless {@code repair}; so is a position behind the held
     * one (repairs are taken, the position stays). False, and nothing taken, where nothing is loaded yet or the lineage
     * is not the held one: load and {@link #replace}.
     */
    boolean apply(List<Incoming> records, Position position, boolean repair);

    /** A key whose bytes the source could not even hand over: the last good value stays, the reason is reported. */
    void reject(String key, String why);

    /**
     * The source is known to have been current at {@code atMs}, milliseconds since 1970. {@code revision} is the
     * source's at that moment, -1 where it does not tell: a mirror that holds less is not yet current and does not
     * count it.
     */
    void confirm(long revision, long atMs);

    /** The source cannot be reached, and why; it goes on trying. The next replace or confirm ends that. */
    void away(RainerException error);
}
