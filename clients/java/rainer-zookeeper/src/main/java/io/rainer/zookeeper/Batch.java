package io.rainer.zookeeper;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.rainer.Position;
import io.rainer.mirror.Packed;
import io.rainer.mirror.PackedHead;
import java.util.List;

/**
 * One znode of the log: whole changesets, or part {@code part} of {@code parts}, from 1, of one that is too large for a
 * znode. {@code position} is the journal's after the batch. With {@code isRepair} its records count whatever version a
 * mirror holds.
 */
record Batch(long n, Position position, long part, long parts, boolean isRepair, List<PackedHead> records) {
    static final String MAGIC = "RnB1";

    static Batch fromBytes(byte[] data) {
        Packed.Frame frame = Packed.unframe(MAGIC, data);
        Json header = new Json("batch", frame.header());
        Position position = new Position(header.text("lineage"), header.count("revision"), header.chain());
        Batch found = new Batch(header.count("n"), position, header.count("part"), header.count("parts"),
                header.members().path("repair").booleanValue(), Packed.records(frame.records()));
        if (found.part < 1 || found.part > found.parts) {
            throw header.wrong("part");
        }
        if (!header.members().path("repair").isBoolean()) {
            throw header.wrong("repair");
        }
        return found;
    }

    byte[] toBytes() {
        ObjectNode header = JsonNodeFactory.instance.objectNode();
        header.put("n", n).put("lineage", position.lineage()).put("revision", position.revision());
        header.put("chain", position.chain()).put("part", part).put("parts", parts).put("repair", isRepair);
        return Packed.frame(MAGIC, header, records);
    }
}
