package io.rainer;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** The codes of the one tree of errors, and the exception that stands for each. */
final class Problems {
    private static final Set<String> SAID = Set.of("code", "detail", "hint", "retryable", "type", "title", "status");

    private Problems() {}

    private interface Maker {
        RainerException make(String code, String message, String hint, Map<String, ?> details);
    }

    // Codes of assets, stores and proposals, which this client has no calls for, are carried by their branch.
    private static final Map<String, Maker> BY_CODE = makers();

    private static Map<String, Maker> makers() {
        Map<String, Maker> out = new LinkedHashMap<>();
        out.put("internal", (c, m, h, d) -> new RainerException(c, m, h, false, d));
        out.put("missing-extra", (c, m, h, d) -> new RainerException(c, m, h, false, d));
        out.put("invalid", (c, m, h, d) -> new InvalidException(m, h, d));
        out.put("too-large", (c, m, h, d) -> new TooLargeException(m, h, d));
        out.put("malformed-payload", (c, m, h, d) -> new MalformedPayloadException(m, h, d));
        out.put("invalid-document", (c, m, h, d) -> new InvalidDocumentException(m, h, d));
        out.put("rule-broken", (c, m, h, d) -> new RuleBrokenException(m, h, d));
        out.put("commit-id-reused", (c, m, h, d) -> new CommitIdReusedException(m, h, d));
        out.put("invalid-uri", (c, m, h, d) -> new InvalidException(c, m, h, false, d));
        out.put("invalid-manifest", (c, m, h, d) -> new InvalidException(c, m, h, false, d));
        out.put("not-found", (c, m, h, d) -> new NotFoundException(m, h, d));
        out.put("namespace-not-found", (c, m, h, d) -> new NamespaceNotFoundException(m, h, d));
        out.put("position-gone", (c, m, h, d) -> new PositionGoneException(m, h, d));
        out.put("object-not-found", (c, m, h, d) -> new NotFoundException(c, m, h, false, d));
        out.put("asset-not-found", (c, m, h, d) -> new NotFoundException(c, m, h, false, d));
        out.put("conflict", (c, m, h, d) -> new ConflictException(m, h, d));
        // Without its conflicts, which are read before, it is no more than a conflict.
        out.put("version-conflict", (c, m, h, d) -> new ConflictException(m, h, Map.of()));
        out.put("namespace-exists", (c, m, h, d) -> new ConflictException(c, m, h, false, d));
        out.put("object-exists", (c, m, h, d) -> new ConflictException(c, m, h, false, d));
        out.put("asset-version-conflict", (c, m, h, d) -> new ConflictException(c, m, h, false, d));
        out.put("proposal-decided", (c, m, h, d) -> new ConflictException(c, m, h, false, d));
        out.put("proposal-stale", (c, m, h, d) -> new ConflictException(c, m, h, false, d));
        out.put("denied", (c, m, h, d) -> new DeniedException(m, h, d));
        out.put("namespace-closed", (c, m, h, d) -> new NamespaceClosedException(m, h, d));
        out.put("unauthenticated", (c, m, h, d) -> new UnauthenticatedException(m, h, d));
        out.put("approval-required", (c, m, h, d) -> new ApprovalRequiredException(m, h, d));
        out.put("credentials", (c, m, h, d) -> new DeniedException(c, m, h, false, d));
        out.put("corrupt", (c, m, h, d) -> new CorruptException(m, h, d));
        out.put("wrong-digest", (c, m, h, d) -> new CorruptException(c, m, h, false, d));
        out.put("unavailable", (c, m, h, d) -> new UnavailableException(m, h, d));
        out.put("overloaded", (c, m, h, d) -> new OverloadedException(m, h, d));
        out.put("rate-limited", (c, m, h, d) -> new RateLimitedException(m, h, d));
        out.put("store-unavailable", (c, m, h, d) -> new UnavailableException(c, m, h, true, d));
        out.put("not-cached", (c, m, h, d) -> new UnavailableException(c, m, h, true, d));
        out.put("no-space", (c, m, h, d) -> new UnavailableException(c, m, h, false, d));
        out.put("outcome-unknown", (c, m, h, d) -> new OutcomeUnknownException(m, h, d));
        out.put("schema-mismatch", (c, m, h, d) -> new SchemaMismatchException(m, h, d));
        return out;
    }

    /** Every code that is known. */
    static Set<String> codes() {
        return BY_CODE.keySet();
    }

    /** The error that a problem document describes; an unknown code becomes a RainerException that keeps the text. */
    static RainerException exception(Map<String, ?> members) {
        String code = String.valueOf(members.get("code"));
        Maker maker = BY_CODE.get(code);
        String known = maker == null ? "internal" : code;
        Map<String, Object> details = new LinkedHashMap<>(members);
        details.keySet().removeAll(SAID);
        String hint = members.get("hint") instanceof String text && !text.isEmpty() ? text : null;
        return BY_CODE.get(known).make(known, sentence(members), hint, details);
    }

    private static String sentence(Map<String, ?> members) {
        for (String name : new String[] {"detail", "title"}) {
            if (members.get(name) instanceof String text && !text.isEmpty()) {
                return text;
            }
        }
        return "the server gave no reason";
    }
}
