package io.rainer;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The original Rainer's byte form of a commit, as it stands in znodes, in snapshots and in the original's MySQL table.
 *
 * <pre>{@code <length of header in decimal>\n<header: JSON of the metadata>\n<payload>\n}</pre>
 *
 * <p>Byte for byte what the Python side writes (tests/vectors/commit_bytes.json): members in the order key, version,
 * author, comment, mtime, empty, then marks, if any; no spaces; characters as themselves, not as escapes; the length
 * counts bytes.
 */
public final class CommitSerialization {
    private static final int LENGTH_DIGITS_MAX = 9;

    private CommitSerialization() {}

    /**
     * The bytes of a commit; one that was read without its payload is written as if that were zero bytes.
     *
     * @throws InvalidException for a text that holds half a character
     */
    public static byte[] toBytes(Commit commit) {
        String text = header(commit);
        Names.checkWhole("commit's header", text);
        byte[] header = text.getBytes(StandardCharsets.UTF_8);
        ByteBuffer payload = commit.payloadBuffer();
        ByteArrayOutputStream out = new ByteArrayOutputStream(header.length + commit.payloadLength() + 12);
        out.writeBytes((header.length + "\n").getBytes(StandardCharsets.US_ASCII));
        out.writeBytes(header);
        out.write('\n');
        if (payload != null) {
            byte[] bytes = new byte[payload.remaining()];
            payload.get(bytes);
            out.writeBytes(bytes);
        }
        out.write('\n');
        return out.toByteArray();
    }

    private static String header(Commit commit) {
        StringBuilder out = new StringBuilder(128 + commit.comment().length());
        JsonText.quote(out.append("{\"key\":"), commit.key());
        out.append(",\"version\":").append(commit.version());
        JsonText.quote(out.append(",\"author\":"), commit.author());
        JsonText.quote(out.append(",\"comment\":"), commit.comment());
        JsonText.quote(out.append(",\"mtime\":"), Times.format(commit.mtime()));
        out.append(",\"empty\":").append(commit.isEmpty());
        commit.marks().ifPresent(marks -> marks.write(out));
        return out.append('}').toString();
    }

    /**
     * The commit that some bytes hold, without a revision, for they do not tell it.
     *
     * <p>Members of the header that are not known are passed over; a missing author or comment is the empty text and a
     * missing {@code empty} is false, as older writers left them out.
     *
     * @param namespace where the bytes were found
     * @throws CorruptException says which part is wrong
     */
    public static Commit fromBytes(byte[] data, String namespace) {
        int start = headerStart(data);
        long end = start + Long.parseLong(new String(data, 0, start - 1, StandardCharsets.US_ASCII));
        boolean fits = data.length >= end + 2 && data[(int) end] == '\n' && data[data.length - 1] == '\n';
        if (!fits) {
            throw new CorruptException("the commit's bytes end before their header of " + (end - start)
                    + " bytes and payload do");
        }
        int headerEnd = (int) end;
        byte[] payload = Arrays.copyOfRange(data, headerEnd + 1, data.length - 1);
        return fromParts(Arrays.copyOfRange(data, start, headerEnd), payload, namespace);
    }

    private static int headerStart(byte[] data) {
        for (int i = 0; i < data.length && i <= LENGTH_DIGITS_MAX; i++) {
            if (data[i] == '\n' && i > 0) {
                return i + 1;
            }
            if (data[i] < '0' || data[i] > '9') {
                break;
            }
        }
        throw new CorruptException("no header length at the start of the commit's bytes");
    }

    /**
     * The commit of a header, alone, and a payload, as they stand where both are kept apart.
     *
     * @throws CorruptException says what is wrong
     */
    public static Commit fromParts(byte[] header, byte[] payload, String namespace) {
        Meta meta;
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(header)).toString();
            meta = Meta.read(text);
        } catch (CharacterCodingException e) {
            throw new CorruptException("the commit's header is not UTF-8");
        } catch (JsonProcessingException e) {
            throw new CorruptException("the commit's header is not the JSON of a commit: " + e.getOriginalMessage());
        } catch (InvalidException e) {
            throw new CorruptException("the commit's header: " + e.getMessage());
        }
        if (meta.isEmpty() && payload.length > 0) {
            throw new CorruptException("the commit's header says empty, yet a payload follows");
        }
        return meta.commit(namespace, meta.isEmpty() ? null : payload);
    }

    /**
     * The commit of JSON metadata as HTTP tells it, with the payload that it carries, if any.
     *
     * @param parser stands at the object's beginning, and is left at its end
     * @param namespace of the commit where the metadata names none
     * @throws InvalidException says what is no commit's about it
     */
    public static Commit fromMeta(JsonParser parser, String namespace) throws IOException {
        return Meta.read(parser, false).commit(namespace);
    }
}
