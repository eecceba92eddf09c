package io.rainer.mirror;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import io.rainer.Commit;
import io.rainer.InvalidException;
import io.rainer.Limits;
import io.rainer.Marks;
import io.rainer.Position;
import io.rainer.RainerException;
import io.rainer.Times;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.regex.Pattern;

/**
 * A page of the feed: whole changesets, in journal order, up to a position. {@code ageMs} is how long ago a server that is
 * a mirror itself was known to be current, -1 where it never was; {@code readable} stands for what the mirror may read of
 * the namespace, where the server asks who it is, else null.
 */
record HttpPage(List<Incoming> records, Position position, boolean more, long ageMs, String readable) {
    private static final ObjectReader WHOLE =
            HttpAnswer.JSON.reader().with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    private static final Pattern HEX = Pattern.compile("(?:[0-9a-fA-F]{2})+");

    /** The page that an answer is; InvalidException where it is none. */
    static HttpPage of(HttpAnswer answer, byte[] body, String namespace) {
        try {
            JsonNode page = WHOLE.readTree(body);
            List<Incoming> records = new ArrayList<>();
            if (!page.path("changes").isArray()) {
                throw answer.foreign("its body has no array 'changes'");
            }
            page.get("changes").forEach(meta -> records.add(head(meta, meta.path("key").asText(""), namespace)));
            return new HttpPage(records, position(answer, page), page.path("more").asBoolean(), ageMs(page.get("age_s")),
                    page.path("readable").textValue());
        } catch (IOException e) {
            throw answer.foreign("its body is not JSON: " + e.getMessage());
        }
    }

    private static Position position(HttpAnswer answer, JsonNode page) {
        JsonNode lineage = page.path("lineage");
        JsonNode revision = page.path("revision");
        JsonNode chain = page.path("chain");
        boolean isHex = chain.isTextual() && HEX.matcher(chain.textValue()).matches();
        if (!lineage.isTextual() || !revision.canConvertToLong() || !isHex) {
            throw answer.foreign("its position cannot be read");
        }
        return new Position(lineage.textValue(), revision.longValue(), chain.textValue().toLowerCase(Locale.ROOT));
    }

    private static long ageMs(JsonNode seconds) {
        if (seconds == null) {
            return 0;
        }
        return seconds.isNumber() ? (long) (Math.max(0, seconds.doubleValue()) * 1000) : -1;
    }

    /** The heads of a list, removed ones included; never more than one of them is a tree in memory. */
    static List<Incoming> list(HttpAnswer answer, String namespace) {
        List<Incoming> found = new ArrayList<>();
        try (JsonParser parser = HttpAnswer.JSON.createParser(answer.body())) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw answer.foreign("its body is not a JSON object");
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String key = parser.getCurrentName();
                parser.nextToken();
                JsonNode meta = parser.readValueAsTree();
                found.add(head(meta, key, namespace));
            }
            if (parser.currentToken() != JsonToken.END_OBJECT || parser.nextToken() != null) {
                throw answer.foreign("its body is not one JSON object");
            }
            return found;
        } catch (IOException e) {
            throw answer.foreign("its body is not a JSON object: " + e.getMessage());
        }
    }

    private static String text(JsonNode meta, String name) {
        String text = meta.path(name).asText("");
        // A snapshot could not be written of half a character, nor a report.
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new InvalidException("its " + name + " holds half a character");
        }
        return text;
    }

    /** What a meta with its payload says. One that cannot be made a commit is rejected, and what was held is kept. */
    static Incoming head(JsonNode meta, String key, String namespace) {
        try {
            JsonNode version = meta.path("version");
            if (!meta.path("key").asText("").equals(key) || key.isEmpty()) {
                return Incoming.bad(key, "what came is of another key, " + meta.path("key"));
            }
            if (!version.isIntegralNumber() || !version.canConvertToInt() || version.intValue() < 1 || version.intValue() > Limits.VERSION_MAX) {
                return Incoming.bad(key, "its version is " + version);
            }
            if (meta.path("empty").asBoolean()) {
                return Incoming.removal(key, version.intValue());
            }
            if (!meta.path("payload_base64").isTextual()) {
                return Incoming.bad(key, "it came without its payload");
            }
            String encoded = meta.get("payload_base64").textValue();
            if (encoded.length() % 4 != 0) { // the decoder would make something of it
                return Incoming.bad(key, "its payload is cut off");
            }
            byte[] payload = Base64.getDecoder().decode(encoded);
            long revision = meta.path("revision").asLong(0);
            return Incoming.head(new Commit(namespace, key, version.intValue(),
                    revision > 0 ? OptionalLong.of(revision) : OptionalLong.empty(), payload, false,
                    text(meta, "author"), text(meta, "comment"),
                    Times.parse(meta.path("mtime").asText("")), Marks.of(meta)));
        } catch (IllegalArgumentException | RainerException e) {
            return Incoming.bad(key, "what came is no commit: " + e.getMessage());
        }
    }
}
