package io.rainer;

import java.util.Map;

/** A server or database cannot answer now; nothing was done, the call may be repeated. */
public non-sealed class UnavailableException extends RainerException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code unavailable}; see {@link RainerException} for the arguments. */
    public UnavailableException(String message, String hint, Map<String, ?> details) {
        this("unavailable", message, hint, true, details);
    }

    /** The same without a hint or details. */
    public UnavailableException(String message) {
        this(message, null, Map.of());
    }

    /** For an error of this branch with a code of its own. */
    protected UnavailableException(String code, String message, String hint, boolean retryable, Map<String, ?> details) {
        super(code, message, hint, retryable, details);
    }
}
