package io.rainer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A commit named a version that is not the head's plus one; nothing of its changeset was written.
 *
 * <p>{@link #expected()}, {@link #provided()}, {@link #key()} and {@link #namespace()} speak of the first conflict,
 * {@link #conflicts()} of all.
 */
public class VersionConflictException extends ConflictException {
    private static final long serialVersionUID = 1L;

    private final ArrayList<KeyConflict> conflicts;

    /**
     * An error with code {@code version-conflict}.
     *
     * @param conflicts at least one
     */
    public VersionConflictException(List<KeyConflict> conflicts) {
        super(
                "version-conflict",
                sentence(conflicts),
                "read the head, decide again, and commit with the next version",
                false,
                Map.of());
        this.conflicts = new ArrayList<>(conflicts);
    }

    /** Every key that conflicts; unmodifiable. */
    public List<KeyConflict> conflicts() {
        return List.copyOf(conflicts);
    }

    /** The version that would be accepted. */
    public int expected() {
        return conflicts.get(0).expected();
    }

    /** The version that was given. */
    public int provided() {
        return conflicts.get(0).provided();
    }

    /** The key in conflict. */
    public String key() {
        return conflicts.get(0).key();
    }

    /** The namespace of the key. */
    public String namespace() {
        return conflicts.get(0).namespace();
    }

    private static String sentence(List<KeyConflict> conflicts) {
        KeyConflict first = conflicts.get(0);
        String more = conflicts.size() > 1 ? " (and " + (conflicts.size() - 1) + " more)" : "";
        return "key " + Names.quoted(first.key()) + ": version " + first.provided() + " was offered, "
                + first.expected() + " is next" + more;
    }
}
