package io.rainer;

import java.util.Map;

/** What is stored moved on; read it and decide again. */
public non-sealed class ConflictException extends RainerException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code conflict}; see {@link RainerException} for the arguments. */
    public ConflictException(String message, String hint, Map<String, ?> details) {
        this("conflict", message, hint, false, details);
    }

    /** The same without a hint or details. */
    public ConflictException(String message) {
        this(message, null, Map.of());
    }

    /** For an error of this branch with a code of its own. */
    protected ConflictException(String code, String message, String hint, boolean retryable, Map<String, ?> details) {
        super(code, message, hint, retryable, details);
    }
}
