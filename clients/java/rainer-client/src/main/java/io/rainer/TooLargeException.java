package io.rainer;

import java.util.Map;

/** A payload, body or changeset is over a limit; the limit is in the message. */
public class TooLargeException extends InvalidException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code too-large}; see {@link RainerException} for the arguments. */
    public TooLargeException(String message, String hint, Map<String, ?> details) {
        super("too-large", message, hint, false, details);
    }

    /** The same without a hint or details. */
    public TooLargeException(String message) {
        this(message, null, Map.of());
    }
}
