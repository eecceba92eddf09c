package io.rainer;

import java.util.Map;

/** Stored data contradicts itself; {@code rainer verify} tells where. */
public non-sealed class CorruptException extends RainerException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code corrupt}; see {@link RainerException} for the arguments. */
    public CorruptException(String message, String hint, Map<String, ?> details) {
        this("corrupt", message, hint, false, details);
    }

    /** The same without a hint or details. */
    public CorruptException(String message) {
        this(message, null, Map.of());
    }

    /** For an error of this branch with a code of its own. */
    protected CorruptException(String code, String message, String hint, boolean retryable, Map<String, ?> details) {
        super(code, message, hint, retryable, details);
    }
}
