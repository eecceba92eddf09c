package io.rainer;

import java.util.Map;

/** The key, version or other named thing does not exist. */
public non-sealed class NotFoundException extends RainerException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code not-found}; see {@link RainerException} for the arguments. */
    public NotFoundException(String message, String hint, Map<String, ?> details) {
        this("not-found", message, hint, false, details);
    }

    /** The same without a hint or details. */
    public NotFoundException(String message) {
        this(message, null, Map.of());
    }

    /** For an error of this branch with a code of its own. */
    protected NotFoundException(String code, String message, String hint, boolean retryable, Map<String, ?> details) {
        super(code, message, hint, retryable, details);
    }
}
