package io.rainer.mirror;

/** Hears of every change, whole changesets at a time; otherwise as {@link ChangeListener}. */
@FunctionalInterface
public interface ChangesetListener {
    /**
     * Changesets have been applied.
     *
     * @throws Exception is reported in the log; the other listeners go on, and so does this one
     */
    void changed(Changeset changeset) throws Exception;
}
