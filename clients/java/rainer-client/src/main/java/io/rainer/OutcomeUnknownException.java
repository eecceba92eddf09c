package io.rainer;

import java.util.Map;
import java.util.Optional;

/**
 * Sent, and no answer came: the commit may stand or not. Look before you retry, or retry with its commit id.
 *
 * <p>Told apart from every refusal: those say that nothing was done.
 */
public non-sealed class OutcomeUnknownException extends RainerException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code outcome-unknown}; see {@link RainerException} for the arguments. */
    public OutcomeUnknownException(String message, String hint, Map<String, ?> details) {
        super("outcome-unknown", message, hint, false, details);
    }

    /** The id under which it was sent: the same call with this id cannot be made twice. Empty if a server said so. */
    public Optional<String> commitId() {
        return Optional.ofNullable(details().get("commit_id")).map(Object::toString);
    }
}
