package io.rainer;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/** The JSON of a changeset, as every language of the project writes it (tests/vectors/commit_requests.json). */
final class ChangesetBody {
    private ChangesetBody() {}

    /**
     * The body of {@code POST /-/changesets}; author and comment are written once where the commits share them.
     *
     * @throws TooLargeException for more than a server takes
     */
    static byte[] of(List<Draft> drafts, boolean isDryRun) {
        Draft first = drafts.get(0);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        StringBuilder text = new StringBuilder("{\"author\":");
        JsonText.quote(text, first.author());
        JsonText.quote(text.append(",\"comment\":"), first.comment());
        text.append(",\"commits\":[");
        String separator = "";
        for (Draft draft : drafts) {
            write(text.append(separator), draft, first);
            separator = ",";
            out.writeBytes(text.toString().getBytes(StandardCharsets.UTF_8));
            text.setLength(0);
            check(out.size());
        }
        out.writeBytes((isDryRun ? "],\"dry_run\":true}" : "]}").getBytes(StandardCharsets.US_ASCII));
        check(out.size());
        return out.toByteArray();
    }

    private static void check(int size) {
        if (size > Limits.CHANGESET_BODY_BYTES_MAX) {
            throw new TooLargeException(
                    "the changeset has " + size + " bytes or more, over the limit of " + Limits.CHANGESET_BODY_BYTES_MAX,
                    null,
                    Map.of("limit", Limits.CHANGESET_BODY_BYTES_MAX));
        }
    }

    private static void write(StringBuilder out, Draft draft, Draft first) {
        JsonText.quote(out.append("{\"namespace\":"), draft.namespace());
        JsonText.quote(out.append(",\"key\":"), draft.key());
        out.append(",\"version\":").append(draft.version());
        writePayload(out, draft.bytes());
        if (!draft.author().equals(first.author())) {
            JsonText.quote(out.append(",\"author\":"), draft.author());
        }
        if (!draft.comment().equals(first.comment())) {
            JsonText.quote(out.append(",\"comment\":"), draft.comment());
        }
        if (draft.mtime() != null) {
            JsonText.quote(out.append(",\"mtime\":"), Times.format(draft.mtime()));
        }
        out.append('}');
    }

    private static void writePayload(StringBuilder out, byte[] payload) {
        if (payload == null) {
            out.append(",\"empty\":true");
            return;
        }
        try {
            String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(payload)).toString();
            JsonText.quote(out.append(",\"payload_utf8\":"), text);
        } catch (CharacterCodingException e) {
            String encoded = Base64.getEncoder().encodeToString(payload);
            out.append(",\"payload_base64\":\"").append(encoded).append('"');
        }
    }
}
