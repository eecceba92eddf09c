package io.rainer;

import java.util.Map;

/** The server's database has an older or newer schema than the server's program. */
public non-sealed class SchemaMismatchException extends RainerException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code schema-mismatch}; see {@link RainerException} for the arguments. */
    public SchemaMismatchException(String message, String hint, Map<String, ?> details) {
        super("schema-mismatch", message, hint, false, details);
    }
}
