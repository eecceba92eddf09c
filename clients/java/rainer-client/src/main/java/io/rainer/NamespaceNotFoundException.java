package io.rainer;

import java.util.Map;

/** No namespace of that name. */
public class NamespaceNotFoundException extends NotFoundException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code namespace-not-found}; see {@link RainerException} for the arguments. */
    public NamespaceNotFoundException(String message, String hint, Map<String, ?> details) {
        super("namespace-not-found", message, hint, false, details);
    }

    /** The same without a hint or details. */
    public NamespaceNotFoundException(String message) {
        this(message, null, Map.of());
    }
}
