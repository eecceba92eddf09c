package io.rainer;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Base of all errors raised by Rainer; {@link #getMessage()} is one sentence fit for a person.
 *
 * <p>The tree, the codes and what is retryable are those of the Python client and of HTTP's problem documents. A code
 * that has no class of its own here is carried by its nearest branch; one that nobody knew when this was written, by
 * this class itself.
 */
public sealed class RainerException extends RuntimeException
        permits ConflictException, CorruptException, DeniedException, InvalidException, NotFoundException,
                OutcomeUnknownException, SchemaMismatchException, UnavailableException {
    private static final long serialVersionUID = 1L;

    private final String code;
    private final String hint;
    private final boolean retryable;
    private final LinkedHashMap<String, Object> details;

    /**
     * An error of any code.
     *
     * @param hint the next step, or null
     * @param details facts such as a line or a limit, as JSON could hold them; copied
     */
    public RainerException(String code, String message, String hint, boolean retryable, Map<String, ?> details) {
        super(message);
        this.code = code;
        this.hint = hint;
        this.retryable = retryable;
        this.details = new LinkedHashMap<>(details);
    }

    /** The stable code, such as {@code version-conflict}: scripts and other languages match on it. */
    public final String code() {
        return code;
    }

    /** The next step, in words. */
    public final Optional<String> hint() {
        return Optional.ofNullable(hint);
    }

    /** Whether the same call may succeed later without any risk of doing it twice. */
    public final boolean retryable() {
        return retryable;
    }

    /** The members that the problem document carries beside message, code and hint; unmodifiable. */
    public final Map<String, Object> details() {
        return Collections.unmodifiableMap(details);
    }

    /** A whole number of the details; null where there is none of that name. */
    final Long number(String name) {
        return details.get(name) instanceof Number value ? value.longValue() : null;
    }

    /** A text of the details; null where there is none of that name. */
    final String text(String name) {
        return details.get(name) instanceof String value ? value : null;
    }
}
