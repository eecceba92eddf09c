package io.rainer.mirror;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.rainer.Position;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;

/**
 * What one mirror says of itself: the position that it has applied, and what it could not take. {@code state} is
 * "loading", "current" or "behind"; {@code namespace} is told where the report's place does not tell it.
 */
public record Report(
        String id,
        String host,
        long pid,
        String lineage,
        long revision,
        long timeMs,
        String via,
        String state,
        Map<String, String> rejected,
        String error,
        String namespace) {
    private static final int REJECTED_MAX = 100;
    private static final int REASON_CHARS_MAX = 200;
    private static final String HOST = hostName();

    /** What a mirror holds now; {@code error} is what is wrong, or the empty text. */
    public static Report of(String id, Sink sink, String via, String error, String namespace) {
        Position position = sink.position();
        Map<String, String> rejected = new TreeMap<>();
        sink.rejected().entrySet().stream()
                .limit(REJECTED_MAX)
                .forEach(one -> rejected.put(one.getKey(), cut(one.getValue())));
        String state = !error.isEmpty() ? "behind" : position != null ? "current" : "loading";
        return new Report(id, HOST, ProcessHandle.current().pid(), position == null ? "" : position.lineage(),
                position == null ? 0 : position.revision(), System.currentTimeMillis(), via, state, rejected, cut(error),
                namespace);
    }

    /** A name that no other mirror has. */
    public static String newId() {
        byte[] random = new byte[8];
        new SecureRandom().nextBytes(random);
        return HexFormat.of().formatHex(random);
    }

    /** Whether it says the same, whenever that was. */
    public boolean saysAs(Report other) {
        return other != null && lineage.equals(other.lineage) && revision == other.revision && state.equals(other.state)
                && rejected.equals(other.rejected) && error.equals(other.error);
    }

    /** As it stands in a node, and in a request. */
    public byte[] toBytes() {
        ObjectNode out = JsonNodeFactory.instance.objectNode();
        out.put("id", id).put("host", host).put("pid", pid).put("lineage", lineage).put("revision", revision);
        out.put("time_ms", timeMs).put("via", via).put("state", state);
        rejected.forEach(out.putObject("rejected")::put);
        out.put("error", error).put("namespace", namespace);
        out.putArray("followers");
        return PlainJson.write(out);
    }

    private static String cut(String text) {
        int end = Math.min(text.length(), REASON_CHARS_MAX);
        if (end < text.length() && Character.isHighSurrogate(text.charAt(end - 1))) {
            end--;
        }
        // There and back, so that half a character, which JSON could not be written of, becomes a question mark.
        return new String(text.substring(0, end).getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    }

    private static String hostName() {
        try {
            return Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
        } catch (IOException e) {
            try {
                return java.net.InetAddress.getLocalHost().getHostName();
            } catch (java.net.UnknownHostException unknown) {
                return "localhost";
            }
        }
    }
}
