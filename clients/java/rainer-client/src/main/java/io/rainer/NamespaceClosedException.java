package io.rainer;

import java.util.Map;

/** The namespace is closed: its history stays readable, it takes no commits. */
public class NamespaceClosedException extends DeniedException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code namespace-closed}; see {@link RainerException} for the arguments. */
    public NamespaceClosedException(String message, String hint, Map<String, ?> details) {
        this("namespace-closed", message, hint, false, details);
    }

    /** The same without a hint or details. */
    public NamespaceClosedException(String message) {
        this(message, null, Map.of());
    }

    /** For an error of this branch with a code of its own. */
    protected NamespaceClosedException(String code, String message, String hint, boolean retryable, Map<String, ?> details) {
        super(code, message, hint, retryable, details);
    }
}
