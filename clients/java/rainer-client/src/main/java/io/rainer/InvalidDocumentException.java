package io.rainer;

import java.util.Map;
import java.util.Optional;

/** A document of namespace {@code rainer} (policy, rules, schemas) says something that it may not. */
public class InvalidDocumentException extends MalformedPayloadException {
    private static final long serialVersionUID = 1L;

    /** An error with code {@code invalid-document}; see {@link RainerException} for the arguments. */
    public InvalidDocumentException(String message, String hint, Map<String, ?> details) {
        super("invalid-document", message, hint, false, details);
    }

    /** Where in the document, as a JSON pointer; empty where that cannot be told. The empty text is all of it. */
    public Optional<String> pointer() {
        return Optional.ofNullable(text("pointer"));
    }
}
