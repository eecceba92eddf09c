package io.rainer.zookeeper;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.rainer.mirror.PlainJson;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the pieces of a commit's bytes lie that are too large for one znode: {@code names} below {@code large/KEY}. The
 * pieces, joined, are the commit in the ancestor's bytes; {@code bytes} and {@code sha256}, in hex, are of the whole.
 */
record Parts(long version, long revision, List<String> names, long bytes, String sha256) {
    static Parts fromBytes(byte[] data) {
        Json parts = Json.of("parts", data);
        JsonNode names = parts.members().path("names");
        List<String> found = new ArrayList<>();
        if (!names.isArray()) {
            throw parts.wrong("names");
        }
        for (JsonNode name : names) {
            if (!name.isTextual()) {
                throw parts.wrong("names");
            }
            found.add(name.textValue());
        }
        return new Parts(parts.number("version"), parts.number("revision"), found, parts.number("bytes"),
                parts.text("sha256"));
    }

    byte[] toBytes() {
        ObjectNode out = JsonNodeFactory.instance.objectNode();
        out.put("version", version).put("revision", revision);
        names.forEach(out.putArray("names")::add);
        return PlainJson.write(out.put("bytes", bytes).put("sha256", sha256));
    }
}
