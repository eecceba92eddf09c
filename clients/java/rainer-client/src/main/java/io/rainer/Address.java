package io.rainer;

import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a server is: a base URL that ends in a namespace, taken apart once and put together for each call.
 *
 * @param root scheme, host, port and what stands before the namespace, without a slash at the end
 * @param namespace the last part of the URL's path
 * @param login what stood before an {@code @} of the URL, decoded; null where nothing did
 * @param token what says who asks; a URL may carry it in its path, {@code http://host:8080/-/t/TOKEN/diary}; null for none
 */
public record Address(String root, String namespace, String login, String token) {
    private static final String HINT =
            "write it like http://localhost:8080/diary: scheme, host, port, and the namespace at the end";
    private static final int PORT_MAX = 65_535;
    private static final String TOKEN_PATH = "/-/t/";
    private static final Pattern CREDENTIAL = Pattern.compile("[A-Za-z0-9._~+/=-]{1,8192}");
    /** Our own tokens, JWTs, and what stands in the place of one. */
    private static final Pattern SECRET = Pattern.compile("(rnr_[a-z2-7]{8})_[A-Za-z0-9_-]{8,}"
            + "|(\\beyJ)[A-Za-z0-9_-]{8,}(?:\\.[A-Za-z0-9_-]*){1,2}|(/-/t/)[^/\\s\"'?#]+");

    /**
     * Read {@code http://host:8080/diary}; a path before the namespace is kept.
     *
     * @throws InvalidException says what is wrong with it
     */
    public static Address parse(String url) {
        URI uri;
        try {
            uri = new URI(url).parseServerAuthority();
        } catch (URISyntaxException e) {
            throw refused(url, ": " + e.getReason());
        }
        String scheme = uri.getScheme();
        if (scheme == null || !scheme.matches("(?i)https?")) {
            throw refused(url, " does not begin with http:// or https://");
        }
        if (uri.getHost() == null) {
            throw refused(url, " names no host");
        }
        if (uri.getRawQuery() != null || uri.getRawFragment() != null) {
            throw refused(url, " has a query or a fragment after the namespace");
        }
        if (uri.getPort() == 0 || uri.getPort() > PORT_MAX) {
            throw refused(url, ": port " + uri.getPort() + " is nobody's");
        }
        String whole = uri.getRawPath();
        String token = tokenOf(whole);
        String path = (token == null ? whole : withoutToken(whole)).replaceAll("/+$", "");
        int slash = path.lastIndexOf('/');
        if (slash < 0) {
            throw refused(url, " names no namespace");
        }
        String namespace = Names.checkNamespace(decoded(path.substring(slash + 1)));
        String port = uri.getPort() < 0 ? "" : ":" + uri.getPort();
        String root = scheme.toLowerCase(java.util.Locale.ROOT) + "://" + uri.getHost() + port;
        String login = uri.getRawUserInfo() == null ? null : decoded(uri.getRawUserInfo());
        Address found = new Address(root + path.substring(0, slash), namespace, login, null);
        return token == null ? found : found.withToken(token);
    }

    private static String tokenOf(String path) {
        int begin = path.indexOf(TOKEN_PATH);
        if (begin < 0) {
            return null;
        }
        int end = path.indexOf('/', begin + TOKEN_PATH.length());
        return decoded(path.substring(begin + TOKEN_PATH.length(), end < 0 ? path.length() : end));
    }

    private static String withoutToken(String path) {
        int begin = path.indexOf(TOKEN_PATH);
        int end = path.indexOf('/', begin + TOKEN_PATH.length());
        return path.substring(0, begin) + (end < 0 ? "" : path.substring(end));
    }

    /** The same with this token, which goes before one in the URL; InvalidException, which does not show it. */
    public Address withToken(String said) {
        if (!CREDENTIAL.matcher(said).matches()) {
            throw new InvalidException(
                    "the token holds characters that no token has",
                    "a token is one word of letters, digits and - . _ ~ + / =; was it copied whole, and nothing else?",
                    Map.of());
        }
        if (login != null) {
            throw new InvalidException(
                    "base URL " + base() + " has a user and password, and there is a token too",
                    "one header carries either of them: leave one away",
                    Map.of());
        }
        return new Address(root, namespace, null, said);
    }

    private static InvalidException refused(String url, String why) {
        return new InvalidException("base URL " + shown(url) + why, HINT, Map.of());
    }

    /** The URL for a message, without what stands before an {@code @}, which may be a password, and without tokens. */
    private static String shown(String url) {
        String open = url.replaceFirst("(?s)^([^/]*//)?.*@", "$1***@");
        return Names.shorten(SECRET.matcher(open).replaceAll(Address::hidden), 200);
    }

    private static String hidden(MatchResult found) {
        if (found.group(1) != null) {
            return Matcher.quoteReplacement(found.group(1) + "_***"); // the id is no secret
        }
        return Matcher.quoteReplacement((found.group(2) != null ? found.group(2) : found.group(3)) + "***");
    }

    private static String decoded(String text) {
        return java.net.URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
    }

    /** The base URL as a person would write it again, without the password. */
    public String base() {
        return root + "/" + namespace;
    }

    /** The same server, another namespace; InvalidException for a name that cannot be one. */
    public Address inNamespace(String name) {
        return new Address(root, Names.checkNamespace(name), login, token);
    }

    /** The value of the Authorization header, for the token or the login; null where there is neither. */
    public String authorization() {
        if (token != null) {
            return "Bearer " + token;
        }
        if (login == null) {
            return null;
        }
        String pair = login.contains(":") ? login : login + ":";
        return "Basic " + Base64.getEncoder().encodeToString(pair.getBytes(StandardCharsets.UTF_8));
    }

    /** {@code /diary}. */
    public String namespacePath() {
        return "/" + escape(namespace);
    }

    /**
     * The path of a key and what follows it, such as a version or {@code meta}.
     *
     * <p>Looser than the rule for commits: an ancestor's server may hold keys that this project no longer takes.
     *
     * @throws InvalidException for what no URL can name
     */
    public String keyPath(String key, Object... rest) {
        boolean isHalf = key.codePoints().anyMatch(c -> c >= 0xd800 && c <= 0xdfff);
        if (key.isEmpty() || key.equals(".") || key.equals("..") || key.indexOf('/') >= 0 || isHalf) {
            Names.checkKey(key);
        }
        StringBuilder path = new StringBuilder(namespacePath()).append('/').append(escape(key));
        for (Object part : rest) {
            path.append('/').append(escape(part.toString()));
        }
        return path.toString();
    }

    /** A text as part of a path or query: all but letters, digits and {@code _ . - ~} as escapes. */
    static String escape(String text) {
        StringBuilder out = new StringBuilder(text.length() + 8);
        for (byte one : text.getBytes(StandardCharsets.UTF_8)) {
            char c = (char) (one & 0xff);
            boolean isPlain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
            if (isPlain || "_.-~".indexOf(c) >= 0) {
                out.append(c);
            } else {
                out.append(String.format("%%%02X", (int) c));
            }
        }
        return out.toString();
    }

    /** The server and the namespace; never the password or the token. */
    @Override
    public String toString() {
        return base();
    }
}
