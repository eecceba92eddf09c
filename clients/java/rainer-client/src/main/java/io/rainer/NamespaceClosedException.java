package io.rainer;

import java.util.Map;

/** The namespace is closed: its history stays readable, it takes no commits. */
public class NamespaceClosedException extends DeniedException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code namespace-closed}; see {@link RainerException} for the arguments. */
    public NamespaceClosedException(String message, String hint, Map<String, ?> details) {
        super("namespace-closed", message, hint, false, details);
    }

    /** The same without a hint or details. */
    public NamespaceClosedException(String message) {
        this(message, null, Map.of());
    }
}
