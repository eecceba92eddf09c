package io.rainer.mirror;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.SerializableString;
import com.fasterxml.jackson.core.io.CharacterEscapes;
import com.fasterxml.jackson.core.io.SerializedString;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Arrays;

/** JSON in the bytes that every language of the project writes: nothing between the members, only controls escaped. */
public final class PlainJson {
    private static final ObjectMapper MAPPER =
            new ObjectMapper(new JsonFactory().setCharacterEscapes(new LowerCaseEscapes()));

    private PlainJson() {}

    /** The UTF-8 of a value; members stand in the order in which they were put. */
    public static byte[] write(JsonNode value) {
        try {
            return MAPPER.writeValueAsBytes(value);
        } catch (IOException e) {
            throw new IllegalStateException(e); // in memory nothing fails
        }
    }

    /** Jackson's own escapes are {@code U+001F}'s in upper case. */
    private static final class LowerCaseEscapes extends CharacterEscapes {
        private static final long serialVersionUID = 1L;
        private static final int[] ESCAPES = escapes();

        private static int[] escapes() {
            int[] found = CharacterEscapes.standardAsciiEscapesForJSON();
            for (int c = 0; c < ' '; c++) {
                if (found[c] < 0) {
                    found[c] = CharacterEscapes.ESCAPE_CUSTOM;
                }
            }
            return found;
        }

        @Override
        public int[] getEscapeCodesForAscii() {
            return Arrays.copyOf(ESCAPES, ESCAPES.length);
        }

        @Override
        public SerializableString getEscapeSequence(int c) {
            return c < ' ' ? new SerializedString(String.format("\\u%04x", c)) : null; // also asked of what is not ASCII
        }
    }
}
