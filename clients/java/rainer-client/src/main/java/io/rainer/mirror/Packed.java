package io.rainer.mirror;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.rainer.CorruptException;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The one binary form of log batches in ZooKeeper and of snapshots on disk, the same in every language
 * (tests/vectors/published.json and snapshot.json).
 *
 * <pre>
 * 4 bytes magic, u32 length of the header, header: JSON, records, 32 bytes: SHA-256 of all before
 * record: u16 key bytes, u32 data bytes, u32 version, i64 revision, u8 kind, key, data
 * </pre>
 */
public final class Packed {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PackedHead.Kind[] KINDS = PackedHead.Kind.values();
    private static final int SUM_BYTES = 32;
    private static final int RECORD_BYTES = 19;

    private Packed() {}

    /** The header of a frame, and its records still packed. */
    public record Frame(JsonNode header, ByteBuffer records) {}

    /** Header and records as one checksummed text of bytes; {@code magic} is four bytes of ASCII. */
    public static byte[] frame(String magic, ObjectNode header, Iterable<PackedHead> records) {
        byte[] head = PlainJson.write(header);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (DataOutputStream data = new DataOutputStream(out)) {
            data.write(magic.getBytes(StandardCharsets.US_ASCII));
            data.writeInt(head.length);
            data.write(head);
            for (PackedHead one : records) {
                byte[] key = one.key().getBytes(StandardCharsets.UTF_8);
                data.writeShort(key.length);
                data.writeInt(one.data().length);
                data.writeInt((int) one.version());
                data.writeLong(one.revision());
                data.writeByte(one.kind().ordinal());
                data.write(key);
                data.write(one.data());
            }
            data.write(sha256(out.toByteArray(), 0, out.size()));
        } catch (IOException e) {
            throw new IllegalStateException(e); // in memory nothing fails
        }
        return out.toByteArray();
    }

    /**
     * Header and records of {@link #frame}.
     *
     * @throws CorruptException says what is wrong with the bytes
     */
    public static Frame unframe(String magic, byte[] data) {
        byte[] begin = magic.getBytes(StandardCharsets.US_ASCII);
        int end = data.length - SUM_BYTES;
        if (end < 8 || !Arrays.equals(begin, 0, 4, data, 0, 4)) {
            throw new CorruptException("the bytes do not begin with " + magic + ", or end too early");
        }
        if (!Arrays.equals(sha256(data, 0, end), 0, SUM_BYTES, data, end, data.length)) {
            throw new CorruptException("the checksum does not match the bytes");
        }
        long headerEnd = 8 + Integer.toUnsignedLong(ByteBuffer.wrap(data).getInt(4));
        JsonNode header = null;
        if (headerEnd <= end) {
            header = object(data, 8, (int) headerEnd - 8);
        }
        if (header == null) {
            throw new CorruptException("the header is not a JSON object, or longer than the bytes");
        }
        return new Frame(header, ByteBuffer.wrap(data, (int) headerEnd, end - (int) headerEnd));
    }

    private static JsonNode object(byte[] data, int at, int length) {
        try {
            // As bytes they could be of another encoding, which nobody writes.
            JsonNode found = JSON.readTree(utf8(ByteBuffer.wrap(data, at, length)));
            return found != null && found.isObject() ? found : null;
        } catch (IOException e) {
            return null;
        }
    }

    /**
     * The records of a frame.
     *
     * @throws CorruptException where they end in the middle of one
     */
    public static List<PackedHead> records(ByteBuffer records) {
        List<PackedHead> found = new ArrayList<>();
        ByteBuffer rest = records.duplicate();
        while (rest.hasRemaining()) {
            if (rest.remaining() < RECORD_BYTES) {
                throw new CorruptException("the records end in the middle of one");
            }
            int keyBytes = Short.toUnsignedInt(rest.getShort());
            long dataBytes = Integer.toUnsignedLong(rest.getInt());
            long version = Integer.toUnsignedLong(rest.getInt());
            long revision = rest.getLong();
            int kind = Byte.toUnsignedInt(rest.get());
            if (kind >= KINDS.length || rest.remaining() < keyBytes + dataBytes) {
                throw new CorruptException("the records end in the middle of one, or are of an unknown kind");
            }
            found.add(new PackedHead(text(rest, keyBytes), version, revision, KINDS[kind], take(rest, (int) dataBytes)));
        }
        return found;
    }

    private static String text(ByteBuffer from, int length) {
        ByteBuffer some = from.slice(from.position(), length);
        from.position(from.position() + length);
        try {
            return utf8(some);
        } catch (CharacterCodingException e) {
            throw new CorruptException("the records are damaged: a key is not UTF-8");
        }
    }

    private static byte[] take(ByteBuffer from, int length) {
        byte[] taken = new byte[length];
        from.get(taken);
        return taken;
    }

    private static String utf8(ByteBuffer bytes) throws CharacterCodingException {
        return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
    }

    /** SHA-256 of some bytes. */
    public static byte[] sha256(byte[] data, int from, int length) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            digest.update(data, from, length);
            return digest.digest();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every JDK has it
        }
    }
}
