package io.rainer.zookeeper;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.rainer.CorruptException;
import io.rainer.Position;
import io.rainer.mirror.PlainJson;

/**
 * Where a tree stands: the last whole batch {@code n}, and the last one that the data nodes show, {@code dataN}. Within
 * one life of a tree {@code n} never goes back.
 */
record TreeHead(Position position, long n, long dataN) {
    private static final int FORMAT = 1;

    static TreeHead fromBytes(byte[] data) {
        Json head = Json.of("head", data);
        long format = head.number("format", FORMAT);
        TreeHead found = new TreeHead(
                new Position(head.text("lineage"), head.count("revision"), head.chain()),
                head.count("n"), head.count("data_n"));
        if (found.dataN > found.n) {
            throw head.wrong("data_n");
        }
        if (format != FORMAT) {
            throw new CorruptException("the tree is of format " + format + ", and this program knows " + FORMAT);
        }
        return found;
    }

    byte[] toBytes() {
        ObjectNode out = JsonNodeFactory.instance.objectNode();
        out.put("lineage", position.lineage()).put("n", n).put("data_n", dataN);
        out.put("revision", position.revision()).put("chain", position.chain()).put("format", FORMAT);
        return PlainJson.write(out);
    }
}
