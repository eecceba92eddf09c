package io.rainer.mirror;

import io.rainer.Commit;

/** Hears of every change of a key. Called on the mirror's own thread; may call the mirror, wait and close. */
@FunctionalInterface
public interface ChangeListener {
    /**
     * A head changed. {@code before} and {@code after} are null where there was or is none.
     *
     * @throws Exception is reported in the log; the other listeners go on, and so does this one
     */
    void changed(String key, Commit before, Commit after) throws Exception;
}
