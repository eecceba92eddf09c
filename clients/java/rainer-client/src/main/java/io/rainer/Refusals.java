package io.rainer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Answers that refuse, turned into errors: a Rainer server's problem documents and the plain texts of its ancestor. */
final class Refusals {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int TEXT_CHARS_MAX = 300;
    private static final Set<String> WITH_PAUSE = Set.of("overloaded", "rate-limited");

    private Refusals() {}

    /** Whether a Rainer server itself refused, in words that can be read. */
    static boolean isProblem(Answer answer) {
        return problemOf(answer) != null;
    }

    private static JsonNode problemOf(Answer answer) {
        JsonNode body = answer.isProblem() ? object(answer.body()) : null;
        return body == null || body.isEmpty() ? null : body;
    }

    /** The error that an answer stands for; {@code subject} names what was asked for, such as "key 'a'". */
    static RainerException refusal(Answer answer, String namespace, String subject) {
        JsonNode told = problemOf(answer);
        if (told != null) {
            return problem(told, answer, namespace);
        }
        JsonNode body = answer.status() == 409 ? object(answer.body()) : null;
        if (body != null && (body.has("conflict") || body.has("conflicts"))) {
            return versionConflict(body, namespace);
        }
        return plain(answer, subject);
    }

    /** The error for a 200 that no Rainer server gives. */
    static InvalidException foreign(Answer answer, String why) {
        return new InvalidException(
                answer.url() + " answered " + answer.status() + ", but not as a Rainer server does: " + why,
                "is the base URL that of a Rainer server and one of its namespaces?",
                Map.of());
    }

    private static JsonNode object(byte[] body) {
        try {
            JsonNode found = JSON.readTree(body);
            return found != null && found.isObject() ? found : null;
        } catch (IOException e) {
            return null;
        }
    }

    private static RainerException problem(JsonNode body, Answer answer, String namespace) {
        @SuppressWarnings("unchecked")
        Map<String, Object> members = JSON.convertValue(body, Map.class);
        if ("version-conflict".equals(members.get("code")) && body.path("conflicts").size() > 0) {
            return versionConflict(body, namespace);
        }
        Duration asked = retryAfter(answer);
        if (WITH_PAUSE.contains(String.valueOf(members.get("code"))) && asked != null) {
            members.putIfAbsent("retry_after_s", asked.toSeconds());
        }
        return Problems.exception(members);
    }

    private static RainerException versionConflict(JsonNode body, String namespace) {
        List<KeyConflict> conflicts = new ArrayList<>();
        Iterable<JsonNode> found = body.has("conflicts") ? body.get("conflicts") : List.of(body.get("conflict"));
        for (JsonNode one : found) {
            boolean isWhole = one.path("key").isTextual()
                    && one.path("expectedVersion").canConvertToInt()
                    && one.path("providedVersion").canConvertToInt();
            if (!isWhole) {
                conflicts.clear();
                break;
            }
            conflicts.add(new KeyConflict(
                    one.path("namespace").asText(namespace),
                    one.get("key").asText(),
                    one.get("expectedVersion").asInt(),
                    one.get("providedVersion").asInt()));
        }
        if (conflicts.isEmpty()) {
            return new ConflictException("the server refused a version, in words that cannot be read: "
                    + Names.shorten(body.toString()));
        }
        return new VersionConflictException(conflicts);
    }

    private static RainerException plain(Answer answer, String subject) {
        int status = answer.status();
        String decoded = new String(answer.body(), StandardCharsets.UTF_8).strip().replaceAll("\\s+", " ");
        String text = decoded.substring(0, Math.min(decoded.length(), TEXT_CHARS_MAX));
        if (status >= 300 && status < 400) {
            return redirected(answer);
        }
        if (status == 429 || status >= 500) {
            return unavailable(answer, text);
        }
        if (text.startsWith("Malformed input")) {
            return new MalformedPayloadException(text, null, Map.of());
        }
        Map<String, Object> details = Map.of("http_status", status);
        if (status == 404) {
            String words = subject + " is not there: " + (text.isEmpty() ? "not found" : text);
            return new NotFoundException(words, null, details);
        }
        String words = subject + ": " + (text.isEmpty() ? "no reason given" : text) + " (HTTP " + status + ")";
        return switch (status) {
            case 401, 403 -> new DeniedException(words, null, details);
            case 409 -> new ConflictException(words, null, details);
            case 410 -> new PositionGoneException(words, null, details);
            case 413 -> new TooLargeException(words, null, details);
            default -> new InvalidException(words, null, details);
        };
    }

    private static InvalidException redirected(Answer answer) {
        String target = answer.headers().firstValue("location").orElse("nowhere");
        return new InvalidException(
                answer.url() + " redirects to " + Names.shorten(target, 200) + "; redirects are not followed",
                "use the address that it redirects to as the base URL",
                Map.of());
    }

    private static UnavailableException unavailable(Answer answer, String text) {
        String words = answer.url() + " answered " + answer.status() + (text.isEmpty() ? "" : ": " + text);
        Duration asked = retryAfter(answer);
        if (answer.status() == 429 || asked != null) {
            long seconds = asked == null ? 1 : asked.toSeconds();
            return new OverloadedException(words, null, Map.of("retry_after_s", seconds));
        }
        return new UnavailableException(words);
    }

    /** What the answer's Retry-After asks to wait, a number of seconds or a date; null without one that can be read. */
    private static Duration retryAfter(Answer answer) {
        String text = answer.header("retry-after").strip();
        if (text.matches("[0-9]+")) {
            return Duration.ofSeconds(Long.parseLong(text.substring(0, Math.min(9, text.length()))));
        }
        try {
            Instant until = ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
            Duration left = Duration.between(Instant.now(), until);
            return left.isNegative() ? Duration.ZERO : left;
        } catch (DateTimeException e) {
            return null;
        }
    }
}
