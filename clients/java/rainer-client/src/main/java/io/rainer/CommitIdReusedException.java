package io.rainer;

import java.util.Map;

/** The commit id already stands in the journal for other content. */
public class CommitIdReusedException extends InvalidException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code commit-id-reused}; see {@link RainerException} for the arguments. */
    public CommitIdReusedException(String message, String hint, Map<String, ?> details) {
        super("commit-id-reused", message, hint, false, details);
    }

    /** The same without a hint or details. */
    public CommitIdReusedException(String message) {
        this(message, null, Map.of());
    }
}
