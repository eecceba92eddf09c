package io.rainer;

import java.util.Map;

/** The credentials prove no identity here: unknown, expired or revoked, in the same words for all; or none came. */
public class UnauthenticatedException extends DeniedException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code unauthenticated}; see {@link RainerException} for the arguments. */
    public UnauthenticatedException(String message, String hint, Map<String, ?> details) {
        super("unauthenticated", message, hint, false, details);
    }
}
