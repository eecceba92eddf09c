package io.rainer;

/** The query of a path: members with a value are written, in the order in which they are given. */
final class Query {
    private final StringBuilder path;
    private char separator = '?';

    Query(String path) {
        this.path = new StringBuilder(path);
    }

    /** Add a member, unless its value is null. */
    Query with(String name, Object value) {
        if (value != null) {
            path.append(separator).append(name).append('=').append(Address.escape(value.toString()));
            separator = '&';
        }
        return this;
    }

    /** Add {@code name=yes} where it is so. */
    Query flag(String name, boolean isSet) {
        return with(name, isSet ? "yes" : null);
    }

    @Override
    public String toString() {
        return path.toString();
    }
}
