package io.rainer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;

/** Reads the golden vectors, which are the same for every language; the build names their folder. */
public final class Vectors {
    private static final ObjectMapper JSON = new ObjectMapper();

    private Vectors() {}

    /** The content of a file of vectors. */
    public static JsonNode load(String name) {
        Path folder = Path.of(System.getProperty("rainer.vectors", "../../../tests/vectors"));
        try {
            return JSON.readTree(folder.resolve(name + ".json").toFile());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Bytes spelt as text or in hexadecimal, so many times; or in pieces that are. Null for JSON's null. */
    public static byte[] bytes(JsonNode spelt) {
        if (spelt == null || spelt.isNull()) {
            return null;
        }
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        if (spelt.has("pieces")) {
            spelt.get("pieces").forEach(piece -> out.writeBytes(bytes(piece)));
            return out.toByteArray();
        }
        byte[] one = spelt.has("utf8")
                ? spelt.get("utf8").asText().getBytes(StandardCharsets.UTF_8)
                : HexFormat.of().parseHex(spelt.get("hex").asText());
        for (int i = 0; i < spelt.path("times").asInt(1); i++) {
            out.writeBytes(one);
        }
        return out.toByteArray();
    }

    /** A text, perhaps one that is repeated. */
    public static String text(JsonNode spelt) {
        return spelt.isTextual() ? spelt.asText() : spelt.get("of").asText().repeat(spelt.get("times").asInt());
    }

    /** A vector under test. */
    public interface Check {
        void run(JsonNode vector) throws Exception;
    }

    /** One test a vector, under the vector's name. */
    public static Stream<DynamicTest> each(JsonNode vectors, Check check) {
        return StreamSupport.stream(vectors.spliterator(), false)
                .map(vector -> DynamicTest.dynamicTest(named(vector), () -> check.run(vector)));
    }

    private static String named(JsonNode vector) {
        String name = vector.has("name") ? vector.get("name").asText() : vector.toString();
        return Names.shorten(name);
    }
}
