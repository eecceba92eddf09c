package io.rainer;

import java.util.Map;

/** The journal does not hold the position asked for (restored or other lineage): reload from the heads. */
public class PositionGoneException extends NotFoundException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code position-gone}; see {@link RainerException} for the arguments. */
    public PositionGoneException(String message, String hint, Map<String, ?> details) {
        super("position-gone", message, hint, false, details);
    }

    /** The same without a hint or details. */
    public PositionGoneException(String message) {
        this(message, null, Map.of());
    }
}
