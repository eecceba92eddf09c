package io.rainer;

import java.util.Map;
import java.util.Optional;

/** A payload breaks a rule of validation. */
public class RuleBrokenException extends MalformedPayloadException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code rule-broken}; see {@link RainerException} for the arguments. */
    public RuleBrokenException(String message, String hint, Map<String, ?> details) {
        super("rule-broken", message, hint, false, details);
    }

    /** The rule, in words; empty where the server does not tell. */
    public Optional<String> rule() {
        return Optional.ofNullable(text("rule"));
    }

    /** Where in the document, as a JSON pointer; empty where that cannot be told. The empty text is all of it. */
    public Optional<String> pointer() {
        return Optional.ofNullable(text("pointer"));
    }
}
