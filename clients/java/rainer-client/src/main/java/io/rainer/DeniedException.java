package io.rainer;

import java.util.Map;

/** Not allowed: by permission, by a closed namespace, or by a read-only server. */
public non-sealed class DeniedException extends RainerException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code denied}; see {@link RainerException} for the arguments. */
    public DeniedException(String message, String hint, Map<String, ?> details) {
        this("denied", message, hint, false, details);
    }

    /** The same without a hint or details. */
    public DeniedException(String message) {
        this(message, null, Map.of());
    }

    /** For an error of this branch with a code of its own. */
    protected DeniedException(String code, String message, String hint, boolean retryable, Map<String, ?> details) {
        super(code, message, hint, retryable, details);
    }
}
