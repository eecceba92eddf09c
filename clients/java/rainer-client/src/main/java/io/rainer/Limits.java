package io.rainer;

/** The limits of Rainer that a client meets; the server's own are the same. */
public final class Limits {
    /** The longest key, in bytes of UTF-8. */
    public static final int KEY_BYTES_MAX = 255;

    /** The longest name of a namespace. */
    public static final int NAMESPACE_CHARS_MAX = 64;

    /** The largest version, {@value}. */
    public static final int VERSION_MAX = Integer.MAX_VALUE;

    /** The longest author, in bytes of UTF-8. */
    public static final int AUTHOR_BYTES_MAX = 1_000;

    /** The longest comment, in bytes of UTF-8. */
    public static final int COMMENT_BYTES_MAX = 65_536;

    /** The longest commit id. */
    public static final int COMMIT_ID_CHARS_MAX = 64;

    /** The largest payload, in bytes, that any namespace takes; most take 1,000,000. */
    public static final int PAYLOAD_BYTES_CEILING = 8 * 1024 * 1024;

    /** The most commits of one changeset. */
    public static final int CHANGESET_COMMITS_MAX = 20_000;

    /** The largest changeset, in bytes of its JSON. */
    public static final int CHANGESET_BODY_BYTES_MAX = 64 * 1024 * 1024;

    /** The longest author or comment that a header carries, in bytes. */
    public static final int HEADER_TEXT_BYTES_MAX = 4_096;

    /** The most heads of one page of a list. */
    public static final int LIST_PAGE_MAX = 10_000;

    /** How many commits a page of the feed has unless told. */
    public static final int FEED_PAGE_DEFAULT = 1_000;

    /** The most commits that a page of the feed may be asked for. */
    public static final int FEED_PAGE_MAX = 10_000;

    /** How long a server holds a feed's answer at most, in seconds. */
    public static final int FEED_WAIT_S_MAX = 60;

    private Limits() {}
}
