package io.rainer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.Optional;

/**
 * What the server itself says of a commit, for ever, beside what its author says.
 *
 * @param identity who committed, where the author is somebody else
 * @param approvedBy who approved of it
 * @param proposal the number of what was approved, as text
 * @param forced whether rules of validation were set aside
 */
public record Marks(
        Optional<String> identity, Optional<String> approvedBy, Optional<String> proposal, boolean forced) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** The marks of a commit's JSON metadata; empty where it has none. What is no mark's is passed over. */
    public static Optional<Marks> of(JsonNode meta) {
        return read(meta, "approvedBy");
    }

    /** The marks of the header X-Rainer-Marks, "" for none; what cannot be read says nothing. */
    static Optional<Marks> ofHeader(String text) {
        if (text.isEmpty()) {
            return Optional.empty();
        }
        try {
            return read(JSON.readTree(text), "approved_by");
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static Optional<Marks> read(JsonNode found, String approvedBy) {
        return of(found.path("identity").textValue(), found.path(approvedBy).textValue(),
                found.path("proposal").textValue(), found.path("forced").booleanValue());
    }

    /** The marks of texts that may be null or empty. */
    static Optional<Marks> of(String identity, String approvedBy, String proposal, boolean forced) {
        Marks marks = new Marks(said(identity), said(approvedBy), said(proposal), forced);
        boolean isNothing = marks.identity.isEmpty() && marks.approvedBy.isEmpty() && marks.proposal.isEmpty() && !forced;
        return isNothing ? Optional.empty() : Optional.of(marks);
    }

    private static Optional<String> said(String text) {
        // Half a character could be read, and never be written again.
        boolean isText = text != null && !text.isEmpty() && text.codePoints().noneMatch(c -> c >= 0xd800 && c <= 0xdfff);
        return isText ? Optional.of(text) : Optional.empty();
    }

    /** Append the members, in the order of the vectors, to those of metadata. */
    void write(StringBuilder out) {
        identity.ifPresent(text -> JsonText.quote(out.append(",\"identity\":"), text));
        approvedBy.ifPresent(text -> JsonText.quote(out.append(",\"approvedBy\":"), text));
        proposal.ifPresent(text -> JsonText.quote(out.append(",\"proposal\":"), text));
        if (forced) {
            out.append(",\"forced\":true");
        }
    }
}
