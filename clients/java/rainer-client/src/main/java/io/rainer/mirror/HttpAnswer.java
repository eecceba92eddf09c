package io.rainer.mirror;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.rainer.DeniedException;
import io.rainer.InvalidException;
import io.rainer.NotFoundException;
import io.rainer.OverloadedException;
import io.rainer.PositionGoneException;
import io.rainer.RainerException;
import io.rainer.RateLimitedException;
import io.rainer.UnauthenticatedException;
import io.rainer.UnavailableException;
import java.io.IOException;
import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** A whole answer. */
record HttpAnswer(int status, HttpHeaders headers, byte[] body, String root) {
    static final ObjectMapper JSON = new ObjectMapper();
    private static final int TEXT_CHARS_MAX = 300;

    String header(String name) {
        return headers.firstValue(name).orElse("");
    }

    /** Whether it came from an ancestor's server, which tells no revision. */
    boolean isAncestors() {
        return header("x-rainer-revision").isEmpty();
    }

    /** This, if it is a 200; else the error that it stands for. */
    HttpAnswer granted() {
        if (status == 200) {
            return this;
        }
        throw refusal(json());
    }

    private JsonNode json() {
        try {
            return JSON.readTree(body);
        } catch (IOException e) {
            return JSON.nullNode();
        }
    }

    /** The error that a server's problem document, or just its status, stands for. */
    RainerException refusal(JsonNode problem) {
        String text = problem.path("detail").asText("");
        if (text.isEmpty()) {
            String words = new String(body, StandardCharsets.UTF_8).strip().replaceAll("\\s+", " ");
            text = root + " answered " + status + ": " + words.substring(0, Math.min(words.length(), TEXT_CHARS_MAX));
        }
        String hint = problem.path("hint").asText(null);
        String code = problem.path("code").asText("");
        if (status == 410 || code.equals("position-gone")) {
            return new PositionGoneException(text, hint, Map.of());
        }
        if (status == 429 || !header("retry-after").isEmpty()) {
            Map<String, Long> pause = Map.of("retry_after_s", retryAfterSeconds());
            return code.equals("rate-limited")
                    ? new RateLimitedException(text, hint, pause)
                    : new OverloadedException(text, hint, pause);
        }
        if (code.equals("unauthenticated")) {
            return new UnauthenticatedException(text, hint, Map.of());
        }
        return switch (status) {
            case 401, 403 -> new DeniedException(text, hint, Map.of());
            case 404 -> new NotFoundException(text, hint, Map.of());
            default -> status >= 500
                    ? new UnavailableException(text, hint, Map.of())
                    : new InvalidException(text, hint, Map.of());
        };
    }

    private long retryAfterSeconds() {
        String told = header("retry-after");
        return told.matches("[0-9]{1,9}") ? Long.parseLong(told) : 1;
    }

    /** The error for a 200 that no Rainer server gives. */
    InvalidException foreign(String why) {
        return new InvalidException(
                root + " answered 200, but not as a Rainer server does: " + why,
                "is the base URL that of a Rainer server and one of its namespaces?",
                Map.of());
    }
}
