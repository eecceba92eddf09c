package io.rainer.mirror;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.rainer.CorruptException;
import io.rainer.Position;
import java.util.List;
import java.util.regex.Pattern;

/**
 * All non-empty heads of a namespace at one position, as a file holds them; {@code currentMs} is when that was known to
 * be all there is. {@code position} is null where the source tells none.
 */
record Snapshot(String namespace, Position position, long currentMs, long savedMs, List<PackedHead> records) {
    static final String MAGIC = "RnS1";
    private static final int FORMAT = 1;
    private static final Pattern HEX = Pattern.compile("(?:[0-9a-fA-F]{2})*");

    byte[] toBytes() {
        ObjectNode header = JsonNodeFactory.instance.objectNode();
        header.put("format", FORMAT).put("namespace", namespace);
        header.put("lineage", position == null ? null : position.lineage());
        header.put("revision", position == null ? 0 : position.revision());
        header.put("chain", position == null ? "" : position.chain());
        header.put("saved_ms", savedMs).put("current_ms", currentMs).put("count", records.size());
        return Packed.frame(MAGIC, header, records);
    }

    /** Reads it back; CorruptException says what is wrong. */
    static Snapshot fromBytes(byte[] data) {
        Packed.Frame frame = Packed.unframe(MAGIC, data);
        JsonNode header = frame.header();
        JsonNode format = header.path("format");
        if (!format.isIntegralNumber() || format.longValue() != FORMAT) {
            throw new CorruptException("it is of format " + format + ", and this program knows " + FORMAT);
        }
        List<PackedHead> records = Packed.records(frame.records());
        Snapshot found = new Snapshot(text(header, "namespace"), positionOf(header), number(header, "current_ms"),
                number(header, "saved_ms"), records);
        if (number(header, "count") != records.size()) {
            throw new CorruptException("it holds " + records.size() + " heads, and says " + header.path("count"));
        }
        return found;
    }

    private static Position positionOf(JsonNode header) {
        if (!header.has("lineage")) {
            throw new CorruptException("its header lacks the lineage");
        }
        if (header.get("lineage").isNull()) {
            return null;
        }
        String chain = text(header, "chain");
        if (!HEX.matcher(chain).matches()) {
            throw new CorruptException("its header's chain is not hexadecimal");
        }
        return new Position(text(header, "lineage"), number(header, "revision"), chain);
    }

    private static String text(JsonNode header, String name) {
        if (!header.path(name).isTextual()) {
            throw new CorruptException("its header's " + name + " is not text");
        }
        return header.get(name).textValue();
    }

    private static long number(JsonNode header, String name) {
        JsonNode found = header.path(name);
        if (!found.isIntegralNumber() || !found.canConvertToLong()) {
            throw new CorruptException("its header's " + name + " is not a whole number");
        }
        return found.longValue();
    }
}
