package io.rainer.zookeeper;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.rainer.Commit;
import io.rainer.Position;
import io.rainer.mirror.Mirror;
import io.rainer.mirror.MirrorOptions;
import io.rainer.mirror.MirrorSnapshot;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;

/**
 * Mirrors of many trees, for the vectors of whole trees: for each path on stdin, prints what the mirror of that tree holds
 * now; the first time, it begins to follow it. {@code TreesDriver HOSTS}.
 */
public final class TreesDriver {
    private static final ObjectMapper JSON = new ObjectMapper();

    private TreesDriver() {}

    /** See the class. */
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        Map<String, Mirror> mirrors = new TreeMap<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        MirrorOptions options = MirrorOptions.defaults().withReports(false);
        for (String path = in.readLine(); path != null; path = in.readLine()) {
            Mirror mirror = mirrors.computeIfAbsent(
                    path, one -> ZooKeeperMirrors.mirror(arguments[0], one, options).start());
            out.println(JSON.writeValueAsString(told(mirror.snapshot())));
        }
        mirrors.values().forEach(Mirror::close);
    }

    private static ObjectNode told(MirrorSnapshot now) {
        ObjectNode told = JsonNodeFactory.instance.objectNode();
        told.put("position", now.position().map(Position::toString).orElse(null));
        ArrayNode heads = told.putArray("heads");
        for (Commit commit : now.values()) {
            String payload = HexFormat.of().formatHex(commit.payload());
            heads.addArray().add(commit.key()).add(commit.version()).add(payload).add(commit.comment());
        }
        now.rejected().keySet().forEach(told.putArray("rejected")::add);
        return told;
    }
}
