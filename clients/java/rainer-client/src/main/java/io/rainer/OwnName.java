package io.rainer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/** Whom the server takes a client for, asked once where its token or HttpClient may prove it. Thread-safe. */
final class OwnName {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Caller caller;
    private final boolean mayBeProved;
    private volatile Optional<String> known;

    OwnName(Caller caller, boolean mayBeProved) {
        this.caller = caller;
        this.mayBeProved = mayBeProved;
    }

    /** Whether there is something to ask with. */
    boolean mayBeProved() {
        return mayBeProved;
    }

    /** The name; empty where nobody in particular asks, identity is off there, or the server is an older one. */
    CompletableFuture<Optional<String>> get(Call call) {
        Optional<String> found = known;
        if (found != null || !mayBeProved) {
            return CompletableFuture.completedFuture(found == null ? Optional.empty() : found);
        }
        Caller.Question question = new Caller.Question("/-/whoami", "", "who asks");
        return caller.ask(question, call).thenApply(OwnName::read).exceptionally(OwnName::absent).thenApply(name -> {
            known = name;
            return name;
        });
    }

    private static Optional<String> read(Answer answer) {
        try {
            JsonNode name = JSON.readTree(answer.body()).path("name");
            if (name.isTextual()) {
                return name.textValue().isEmpty() ? Optional.empty() : Optional.of(name.textValue());
            }
        } catch (IOException e) {
            throw Refusals.foreign(answer, "its body is not JSON");
        }
        throw Refusals.foreign(answer, "it tells no name");
    }

    private static Optional<String> absent(Throwable failure) {
        Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
        if (cause instanceof NotFoundException) {
            return Optional.empty();
        }
        throw failure instanceof CompletionException told ? told : new CompletionException(failure);
    }
}
