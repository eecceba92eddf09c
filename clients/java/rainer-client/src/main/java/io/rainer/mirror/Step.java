package io.rainer.mirror;

import java.util.List;

/** What changed at once, and what stood there then. */
record Step(State state, List<Change> changes) {}
