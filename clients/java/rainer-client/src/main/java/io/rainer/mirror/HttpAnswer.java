package io.rainer.mirror;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.rainer.HttpRefusal;
import io.rainer.InvalidException;
import java.net.http.HttpHeaders;
import java.util.Map;

/** A whole answer. */
record HttpAnswer(int status, HttpHeaders headers, byte[] body, String root) {
    static final ObjectMapper JSON = new ObjectMapper();

    String header(String name) {
        return headers.firstValue(name).orElse("");
    }

    /** Whether it came from an ancestor's server, which tells no revision. */
    boolean isAncestors() {
        return header("x-rainer-revision").isEmpty();
    }

    /** This, if it is a 200; else the error that it stands for is thrown. */
    HttpAnswer granted(String namespace) {
        if (status == 200) {
            return this;
        }
        throw HttpRefusal.of(status, headers, body, root, namespace);
    }

    /** The error for a 200 that no Rainer server gives. */
    InvalidException foreign(String why) {
        return new InvalidException(
                root + " answered 200, but not as a Rainer server does: " + why,
                "is the base URL that of a Rainer server and one of its namespaces?",
                Map.of());
    }
}
