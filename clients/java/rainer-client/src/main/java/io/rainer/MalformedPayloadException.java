package io.rainer;

import java.util.Map;
import java.util.OptionalInt;

/** The namespace's format cannot parse the payload. */
public class MalformedPayloadException extends InvalidException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code malformed-payload}; see {@link RainerException} for the arguments. */
    public MalformedPayloadException(String message, String hint, Map<String, ?> details) {
        this("malformed-payload", message, hint, false, details);
    }

    /** For an error of this branch with a code of its own. */
    protected MalformedPayloadException(
            String code, String message, String hint, boolean retryable, Map<String, ?> details) {
        super(code, message, hint, retryable, details);
    }

    /** The line of the payload, counted from 1, where the parser tells. */
    public OptionalInt line() {
        return place("line");
    }

    /** The column of that line, counted from 1, where the parser tells. */
    public OptionalInt column() {
        return place("column");
    }

    private OptionalInt place(String name) {
        Long value = number(name);
        return value == null ? OptionalInt.empty() : OptionalInt.of(value.intValue());
    }
}
