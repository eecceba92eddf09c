package io.rainer;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Base64;
import java.util.OptionalLong;

/**
 * The JSON metadata of one commit while it is read, token by token: a list of 100,000 is never a tree in memory.
 *
 * <p>Strict about what makes a commit, lenient about members that are not known and about those that the first
 * ancestors left out.
 */
final class Meta {
    static final JsonFactory JSON = new JsonFactory();

    private String key;
    private Long version;
    private String author = "";
    private String comment = "";
    private Instant mtime;
    private boolean isEmpty;
    private String namespace;
    private OptionalLong revision = OptionalLong.empty();
    private byte[] payload;
    private String identity;
    private String approvedBy;
    private String proposal;
    private boolean isForced;

    /** The metadata in a text that holds nothing else; InvalidException says what is no commit's about it. */
    static Meta read(String text) throws JsonProcessingException {
        try (JsonParser parser = JSON.createParser(text)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new InvalidException("it is not a JSON object");
            }
            Meta meta = read(parser, true);
            if (parser.nextToken() != null) {
                throw new JsonParseException(parser, "something follows the object");
            }
            return meta;
        } catch (JsonProcessingException e) {
            throw e;
        } catch (IOException e) {
            throw new IllegalStateException(e); // a text has no other way to fail
        }
    }

    /**
     * The metadata of the object at whose beginning the parser stands; it is left at the end of it.
     *
     * @param isStored whether it is a stored header, in which null is not text; servers may tell null for none
     */
    static Meta read(JsonParser parser, boolean isStored) throws IOException {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw new InvalidException("it is not a JSON object");
        }
        Meta meta = new Meta();
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.getCurrentName();
            parser.nextToken();
            meta.member(parser, name, isStored);
        }
        meta.check();
        return meta;
    }

    private void member(JsonParser parser, String name, boolean isStored) throws IOException {
        boolean isNull = !isStored && parser.currentToken() == JsonToken.VALUE_NULL;
        switch (name) {
            case "key" -> key = text(parser, name);
            case "version" -> version = whole(parser, name);
            case "author" -> author = isNull ? "" : text(parser, name);
            case "comment" -> comment = isNull ? "" : text(parser, name);
            case "mtime" -> mtime = Times.parse(text(parser, name));
            case "empty" -> isEmpty = !isNull && flag(parser, name);
            case "namespace" -> namespace = isStored || isNull ? null : text(parser, name);
            case "revision" -> revision = isStored || isNull ? skip(parser) : OptionalLong.of(whole(parser, name));
            case "payload_base64" -> payload = isStored || isNull ? payload : base64(parser);
            case "payload_utf8" -> payload = isStored || isNull || payload != null ? payload : utf8(parser);
            case "identity" -> identity = mark(parser);
            case "approvedBy" -> approvedBy = mark(parser);
            case "proposal" -> proposal = mark(parser);
            case "forced" -> isForced = parser.currentToken() == JsonToken.VALUE_TRUE;
            default -> parser.skipChildren();
        }
        parser.skipChildren(); // a mark that is no text; in a stored header also what only servers tell
    }

    /** A mark is for people to read: one that is no text is none. */
    private static String mark(JsonParser parser) throws IOException {
        return parser.currentToken() == JsonToken.VALUE_STRING ? parser.getText() : null;
    }

    private static OptionalLong skip(JsonParser parser) throws IOException {
        parser.skipChildren();
        return OptionalLong.empty();
    }

    private static String text(JsonParser parser, String name) throws IOException {
        if (parser.currentToken() != JsonToken.VALUE_STRING) {
            throw new InvalidException(name + " is not text");
        }
        String text = parser.getText();
        Names.checkWhole(name, text);
        return text;
    }

    private static long whole(JsonParser parser, String name) throws IOException {
        if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
                || parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
            throw new InvalidException(name + " is not a whole number in range");
        }
        return parser.getLongValue();
    }

    private static boolean flag(JsonParser parser, String name) {
        return switch (parser.currentToken()) {
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            default -> throw new InvalidException(name + " is not true or false");
        };
    }

    private static byte[] base64(JsonParser parser) throws IOException {
        String encoded = text(parser, "payload_base64");
        if (encoded.length() % 4 != 0) { // which the JDK's decoder lets pass: the end may have been lost
            throw new InvalidException("payload_base64 is not base64: its length is no multiple of 4");
        }
        try {
            return Base64.getDecoder().decode(encoded);
        } catch (IllegalArgumentException e) {
            throw new InvalidException("payload_base64 is not base64: " + e.getMessage());
        }
    }

    private static byte[] utf8(JsonParser parser) throws IOException {
        return text(parser, "payload_utf8").getBytes(StandardCharsets.UTF_8);
    }

    private void check() {
        if (key == null || version == null || mtime == null) {
            throw new InvalidException("key, version or mtime is missing");
        }
        if (key.isEmpty() || version < 1 || version > Limits.VERSION_MAX) {
            throw new InvalidException("the key is empty, or the version not from 1 to " + Limits.VERSION_MAX);
        }
    }

    boolean isEmpty() {
        return isEmpty;
    }

    /** The commit with a payload that stood elsewhere; null where there is none. */
    Commit commit(String defaultNamespace, byte[] bytes) {
        String space = namespace == null || namespace.isEmpty() ? defaultNamespace : namespace;
        return new Commit(space, key, version.intValue(), revision, bytes, isEmpty, author, comment, mtime,
                Marks.of(identity, approvedBy, proposal, isForced));
    }

    /** The commit with the payload that the metadata itself carries, if any. */
    Commit commit(String defaultNamespace) {
        return commit(defaultNamespace, isEmpty ? null : payload);
    }
}
