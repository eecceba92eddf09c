package io.rainer;

import java.util.Map;

/** The request itself is wrong; sending it again cannot help. */
public non-sealed class InvalidException extends RainerException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code invalid}; see {@link RainerException} for the arguments. */
    public InvalidException(String message, String hint, Map<String, ?> details) {
        this("invalid", message, hint, false, details);
    }

    /** The same without a hint or details. */
    public InvalidException(String message) {
        this(message, null, Map.of());
    }

    /** For an error of this branch with a code of its own. */
    protected InvalidException(String code, String message, String hint, boolean retryable, Map<String, ?> details) {
        super(code, message, hint, retryable, details);
    }
}
