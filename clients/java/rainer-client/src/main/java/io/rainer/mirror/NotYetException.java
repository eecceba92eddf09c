package io.rainer.mirror;

import io.rainer.UnavailableException;
import java.util.Map;

/** What was waited for did not come in time, or cannot come any more. */
public final class NotYetException extends UnavailableException {
    private static final long serialVersionUID = 1L;

    NotYetException(String message, String hint) {
        super(message, hint, Map.of());
    }
}
