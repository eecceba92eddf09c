package io.rainer;

import java.net.http.HttpHeaders;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.OptionalLong;

/** A whole answer; {@code url} is for messages. */
record Answer(int status, HttpHeaders headers, byte[] body, String url) {
    /** A header's value, "" where there is none; its characters are the bytes. */
    String header(String name) {
        return headers.firstValue(name).orElse("");
    }

    /** A header's text, with Latin-1 and UTF-8 told apart. */
    String text(String name) {
        return HeaderText.decode(header(name).strip().getBytes(StandardCharsets.ISO_8859_1));
    }

    /** A header that holds a whole number. */
    OptionalLong number(String name) {
        String text = header(name);
        return text.matches("[0-9]{1,18}") ? OptionalLong.of(Long.parseLong(text)) : OptionalLong.empty();
    }

    /** Whether it came from an ancestor's server, which tells no revision. */
    boolean isAncestors() {
        return headers.firstValue("x-rainer-revision").isEmpty();
    }

    /** Whether a Rainer server itself refused, with a code that can be relied on, and not a proxy or an ancestor. */
    boolean isProblem() {
        String type = header("content-type").split(";", 2)[0].strip().toLowerCase(Locale.ROOT);
        return type.equals("application/problem+json");
    }
}
