package io.rainer;

import java.io.Serializable;

/**
 * One key of a refused commit or changeset: the version that would be accepted and the one given.
 *
 * @param expected the head's version plus one
 */
public record KeyConflict(String namespace, String key, int expected, int provided) implements Serializable {}
