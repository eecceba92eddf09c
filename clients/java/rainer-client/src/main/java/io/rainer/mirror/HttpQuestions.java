package io.rainer.mirror;

import io.rainer.Position;
import io.rainer.PositionGoneException;
import io.rainer.UnavailableException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** What an HTTP source asks its server for, and how it loads a whole namespace. For one thread. */
final class HttpQuestions {
    private static final String READABLE = "X-Rainer-Readable";
    private static final Duration LIST = Duration.ofSeconds(30);
    private static final Duration PAGE = Duration.ofSeconds(5);
    /** After so long, a state that the mirror refuses is asked for again only if it is another one by then. */
    private static final long PATIENCE_NS = 5_000_000_000L;

    private final HttpWire wire;
    private final Sink sink;
    private final String namespace;
    private String refusedTag;
    private UnavailableException refused;
    /** What could be read when all was loaded, as the server named it; null where it asks nobody. */
    private String readable;
    private long refusedAt;

    HttpQuestions(HttpWire wire, Sink sink) {
        this.wire = wire;
        this.sink = sink;
        namespace = wire.address().namespace();
    }

    /** All heads with their payloads, removed keys included; a 304 where {@code tag} still holds. */
    HttpAnswer list(String tag) throws InterruptedException {
        String path = "/" + HttpAddress.encoded(namespace) + "?all=yes&payload_base64=yes&revisions=yes";
        Map<String, String> headers = new HashMap<>(Map.of("Accept-Encoding", "gzip"));
        if (tag != null) {
            headers.put("If-None-Match", tag);
        }
        if (tag != null && readable != null) {
            headers.put(READABLE, readable);
        }
        HttpAnswer answer = wire.get(path, headers, LIST);
        if (answer.status() != 304 || tag == null) {
            answer.granted(namespace);
        }
        readable = answer.headers().firstValue(READABLE).orElse(null);
        return answer;
    }

    /** What follows a position, after {@code waitSeconds} at most; {@code chain} may be null. */
    HttpPage page(Position since, boolean withChain, int waitSeconds) throws InterruptedException {
        HttpAnswer answer =
                wire.get(feedPath(since, withChain, waitSeconds), Map.of(), PAGE.plusSeconds(waitSeconds))
                        .granted(namespace);
        return sameSight(HttpPage.of(answer, answer.body(), namespace));
    }

    /**
     * The page, if as much may be read as when all was loaded; else PositionGoneException, for older commits are missing.
     * After a start from a snapshot nothing is known of that.
     */
    HttpPage sameSight(HttpPage page) {
        if (!Objects.equals(page.readable(), readable)) {
            throw new PositionGoneException("what this mirror may read is not what it was when it was loaded");
        }
        return page;
    }

    String feedPath(Position since, boolean withChain, int waitSeconds) {
        return "/-/changes?since=" + since.revision() + "&namespace=" + HttpAddress.encoded(namespace)
                + "&payload_base64=yes&lineage=" + HttpAddress.encoded(since.lineage())
                + (readable == null ? "" : "&readable=" + HttpAddress.encoded(readable))
                + (withChain ? "&chain=" + since.chain() : "") + (waitSeconds > 0 ? "&wait=" + waitSeconds : "");
    }

    /** A load's end: where the mirror stands then, or the list of an ancestor's server, not taken yet. */
    record Loaded(Position position, HttpAnswer ancestors) {}

    /** Has the mirror take what the server holds; UnavailableException where that is behind what the mirror has seen. */
    Loaded load() throws InterruptedException {
        boolean isOld = refused != null && System.nanoTime() - refusedAt > PATIENCE_NS;
        HttpAnswer answer = list(isOld ? refusedTag : null);
        if (answer.status() == 304 && refused != null) {
            throw refused;
        }
        if (answer.isAncestors()) {
            return new Loaded(null, answer);
        }
        String revision = answer.header("x-rainer-revision");
        String lineage = answer.header("x-rainer-lineage");
        if (!revision.matches("[0-9]{1,18}") || lineage.isEmpty()) {
            throw answer.foreign("it tells no position");
        }
        Position of = new Position(lineage, Long.parseLong(revision), "");
        // The list tells half of its chain, and the feed the whole of it, with whatever has come meanwhile.
        HttpPage page = page(of, false, 0);
        String tag = answer.header("etag");
        String told = tag.replaceFirst("^W/", "").replace("\"", "");
        if (page.position().revision() == of.revision() && !page.position().chain().startsWith(told)) {
            throw new PositionGoneException(wire.address().base() + " was replaced while it was read");
        }
        List<Incoming> heads = new ArrayList<>(HttpPage.list(answer, namespace));
        heads.addAll(page.records());
        if (!sink.replace(heads, page.position())) {
            throw refuse(tag, page.position());
        }
        refused = null;
        return new Loaded(page.position(), null);
    }

    private UnavailableException refuse(String tag, Position found) {
        Position held = sink.position();
        UnavailableException error = new UnavailableException(
                wire.address().base() + " holds revision " + found.revision() + ", and this mirror has seen revision "
                        + (held == null ? found : held).revision(),
                "is it behind, or a restored database? Then `rainer db adopt` begins a new lineage",
                Map.of());
        if (refused == null) {
            refusedAt = System.nanoTime();
        }
        refused = error;
        refusedTag = tag;
        return error;
    }
}
