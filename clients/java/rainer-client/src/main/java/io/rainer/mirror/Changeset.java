package io.rainer.mirror;

import java.util.List;

/**
 * Whole changesets, in journal order, and everything as it stood after them. Of a key that they touch twice, both
 * changes are told, except to a listener that lags far behind.
 */
public record Changeset(List<Change> changes, MirrorSnapshot snapshot) {}
