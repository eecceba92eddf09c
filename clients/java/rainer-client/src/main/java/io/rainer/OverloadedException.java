package io.rainer;

import java.time.Duration;
import java.util.Map;

/** A queue is full; nothing was done. */
public class OverloadedException extends UnavailableException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code overloaded}; see {@link RainerException} for the arguments. */
    public OverloadedException(String message, String hint, Map<String, ?> details) {
        this("overloaded", message, hint, true, details);
    }

    /** For an error of this branch with a code of its own. */
    protected OverloadedException(String code, String message, String hint, boolean retryable, Map<String, ?> details) {
        super(code, message, hint, retryable, details);
    }

    /** When to come back: what the server asked for, else one second. */
    public Duration retryAfter() {
        Long seconds = number("retry_after_s");
        return Duration.ofSeconds(seconds == null ? 1 : seconds);
    }
}
