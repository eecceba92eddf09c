package io.rainer;

/** An attempt that brought no answer, by what that says of the request. Never leaves the client. */
final class AttemptFailed extends Exception {
    private static final long serialVersionUID = 1L;

    enum Kind {
        /** No connection came about: the server has not seen the request. */
        UNSENT,
        /** The server's certificate was refused: trying again would not help. */
        UNTRUSTED,
        /** It went out, wholly or in part, and no whole answer came back: the server may have acted on it. */
        UNANSWERED
    }

    private final Kind kind;

    AttemptFailed(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    Kind kind() {
        return kind;
    }
}
