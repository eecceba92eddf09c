package io.rainer;

import java.net.http.HttpHeaders;
import java.util.List;
import java.util.Map;

/** The error that a server's refusal stands for, for whoever asks a Rainer server past {@link RainerClient}: mirrors. */
public final class HttpRefusal {
    private static final HttpHeaders PROBLEM =
            HttpHeaders.of(Map.of("content-type", List.of("application/problem+json")), (name, value) -> true);

    private HttpRefusal() {}

    /**
     * The error of an answer that is not a 200.
     *
     * @param url what was asked, for messages
     * @param namespace the one that it was about
     */
    public static RainerException of(int status, HttpHeaders headers, byte[] body, String url, String namespace) {
        return Refusals.refusal(new Answer(status, headers, body, url), namespace, "namespace " + Names.shorten(namespace));
    }

    /** The error of a problem document alone, as the feed's events carry one. */
    public static RainerException of(byte[] problem, String url, String namespace) {
        return of(410, PROBLEM, problem, url, namespace);
    }
}
