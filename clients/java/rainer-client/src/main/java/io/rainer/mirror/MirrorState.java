package io.rainer.mirror;

/** How far a mirror can be trusted right now. */
public enum MirrorState {
    /** Not started. */
    NEW,
    /** Nothing to read yet. */
    STARTING,
    /** Complete, without an error, and known to be so within the last 15 seconds. */
    CURRENT,
    /** What is held may be old. */
    STALE,
    /** What was held can still be read, and does not change any more. */
    CLOSED
}
