package io.rainer;

import java.util.Map;

/** This identity asks more often than the server lets it; nothing was done. */
public class RateLimitedException extends OverloadedException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code rate-limited}; see {@link RainerException} for the arguments. */
    public RateLimitedException(String message, String hint, Map<String, ?> details) {
        super("rate-limited", message, hint, true, details);
    }
}
