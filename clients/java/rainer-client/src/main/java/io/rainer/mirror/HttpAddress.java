package io.rainer.mirror;

import io.rainer.Address;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;

/** A server and one namespace of it; {@code root} has no slash at its end, {@code login} is a header's value or null. */
record HttpAddress(String root, String namespace, String login) {
    /** The address of a URL, and of a token, which goes before one in the URL; null for none. InvalidException. */
    static HttpAddress of(String url, String token) {
        Address found = Address.parse(url);
        Address signed = token == null ? found : found.withToken(token);
        return new HttpAddress(signed.root(), signed.namespace(), signed.authorization());
    }

    /** The base URL without a password. */
    String base() {
        return root + "/" + namespace;
    }

    static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
