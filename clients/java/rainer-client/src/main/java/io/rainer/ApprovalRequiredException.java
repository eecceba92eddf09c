package io.rainer;

import java.util.Map;

/** The key changes only with the approval of others: propose the commit. */
public class ApprovalRequiredException extends DeniedException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code approval-required}; see {@link RainerException} for the arguments. */
    public ApprovalRequiredException(String message, String hint, Map<String, ?> details) {
        super("approval-required", message, hint, false, details);
    }
}
