package io.rainer;

/**
 * How drafts are meant; immutable, each {@code with} makes another one.
 *
 * @param commitId 1 to 64 visible ASCII characters; the same call with the same id, from whatever process, is answered as
 *     the first one was. Null: a new one
 * @param isDryRun nothing is committed: what would be is answered, without a revision, or what would be refused is thrown
 * @param isForced no rule of validation counts, and the commit is marked for ever; needs a permission, and a comment
 */
public record CommitOptions(String commitId, boolean isDryRun, boolean isForced) {
    private static final CommitOptions DEFAULTS = new CommitOptions(null, false, false);

    /** Checks the commit id; InvalidException. */
    public CommitOptions {
        if (commitId != null) {
            Names.checkCommitId(commitId);
        }
    }

    /** A new commit id, made for good, under the rules. */
    public static CommitOptions defaults() {
        return DEFAULTS;
    }

    /** The same under an id; InvalidException for one that cannot be. */
    public CommitOptions withCommitId(String id) {
        return new CommitOptions(id, isDryRun, isForced);
    }

    /** The same, only tried. Servers that cannot try refuse it. */
    public CommitOptions withDryRun() {
        return new CommitOptions(commitId, true, isForced);
    }

    /** The same, past the rules. */
    public CommitOptions withForce() {
        return new CommitOptions(commitId, isDryRun, true);
    }

    /** The same with an id in any case. */
    CommitOptions identified() {
        return commitId == null ? withCommitId(java.util.UUID.randomUUID().toString()) : this;
    }
}
