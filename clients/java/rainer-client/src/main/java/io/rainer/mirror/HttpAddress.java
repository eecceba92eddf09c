package io.rainer.mirror;

import io.rainer.InvalidException;
import io.rainer.Names;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;

/** A server and one namespace of it; {@code root} has no slash at its end, {@code login} is a header's value or null. */
record HttpAddress(String root, String namespace, String login) {
    private static final String HINT =
            "write it like http://localhost:8080/diary: scheme, host, port, and the namespace at the end";

    static HttpAddress parse(String url) {
        URI uri;
        try {
            uri = new URI(url);
        } catch (URISyntaxException e) {
            throw refused("is not a URL: " + e.getReason());
        }
        boolean isHttp = "http".equalsIgnoreCase(uri.getScheme()) || "https".equalsIgnoreCase(uri.getScheme());
        if (!isHttp || uri.getHost() == null) {
            throw refused("does not begin with http:// or https:// and a host");
        }
        if (uri.getRawQuery() != null || uri.getRawFragment() != null) {
            throw refused("has a query or a fragment after the namespace");
        }
        String path = uri.getRawPath().replaceAll("/+$", "");
        int slash = path.lastIndexOf('/');
        String namespace = slash < 0 ? "" : decoded(path.substring(slash + 1));
        if (namespace.isEmpty()) {
            throw refused("names no namespace");
        }
        Names.checkNamespace(namespace);
        String port = uri.getPort() < 0 ? "" : ":" + uri.getPort();
        String root = uri.getScheme() + "://" + uri.getHost() + port + path.substring(0, slash);
        return new HttpAddress(root, namespace, loginOf(uri.getRawUserInfo()));
    }

    private static InvalidException refused(String why) {
        // Without the URL itself: it may hold a password.
        return new InvalidException("the base URL " + why, HINT, Map.of());
    }

    private static String loginOf(String userInfo) {
        if (userInfo == null) {
            return null;
        }
        int colon = userInfo.indexOf(':');
        String user = decoded(colon < 0 ? userInfo : userInfo.substring(0, colon));
        String password = colon < 0 ? "" : decoded(userInfo.substring(colon + 1));
        byte[] both = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
        return "Basic " + Base64.getEncoder().encodeToString(both);
    }

    private static String decoded(String text) {
        return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    }

    /** The base URL without a password. */
    String base() {
        return root + "/" + namespace;
    }

    static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
