package io.rainer.mirror;

import io.rainer.Commit;

/** A key's head, before and after; null where there was or is none. */
public record Change(String key, Commit before, Commit after) {}
