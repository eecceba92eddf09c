package io.rainer;

import java.net.http.HttpRequest;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * A commit or changeset on its way, under an id, so that one whose answer was lost can be sent again without being made
 * twice.
 *
 * <p>What an attempt tells is one of three things. <i>Granted</i>: done. <i>Refused</i> (any 3xx or 4xx, or a 5xx in
 * which a Rainer server says that nothing was done): this attempt changed nothing. <i>Unknown</i> (the connection broke
 * after something was sent, no answer in time, another 2xx, a 5xx that does not say): it may have landed, or land yet. An unknown attempt is
 * repeated with the same id, and a Rainer server answers the repetition with the first result. A refusal <i>after</i> an
 * unknown attempt is looked into, because an ancestor's server knows no ids and refuses its own success as a conflict:
 * where the stored commit has our payload, author and comment, it counts as ours and is returned.
 */
final class Sending {
    private final Caller caller;
    private final Call call;
    private final HttpRequest.Builder request;
    private final List<Draft> drafts;
    private final String commitId;
    private final Function<Answer, List<Commit>> read;
    private final Supplier<CompletableFuture<List<Commit>>> find;

    /** What the last unknown attempt said; attempts follow each other, so a volatile field will do. */
    private volatile RainerException unknown;

    /**
     * @param read takes a granted answer apart
     * @param find looks whether it stands already: its commits, null where others do, NotFoundException where none does
     */
    Sending(
            Caller caller,
            Call call,
            HttpRequest.Builder request,
            List<Draft> drafts,
            String commitId,
            Function<Answer, List<Commit>> read,
            Supplier<CompletableFuture<List<Commit>>> find) {
        this.caller = caller;
        this.call = call;
        this.request = request;
        this.drafts = drafts;
        this.commitId = commitId;
        this.read = read;
        this.find = find;
    }

    /** Send until granted or refused; fails with the refusal, UnavailableException, or OutcomeUnknownException. */
    CompletableFuture<List<Commit>> send() {
        return attempt(1);
    }

    private CompletableFuture<List<Commit>> attempt(int number) {
        CompletableFuture<Answer> attempt = caller.transport().attempt(request, call);
        return Caller.then(attempt, (answer, failure) -> {
            if (answer != null && answer.status() == 200) {
                try {
                    return CompletableFuture.completedFuture(read.apply(answer));
                } catch (InvalidException e) {
                    // A 200 that cannot be read tells as much of the commit as no answer at all.
                    return judge(number, null, true, new UnavailableException(e.getMessage()));
                }
            }
            if (answer != null) {
                RainerException error = Refusals.refusal(answer, drafts.get(0).namespace(), subject());
                return judge(number, null, !nothingWasDone(answer, error), error);
            }
            boolean isUnknown = failure.kind() == AttemptFailed.Kind.UNANSWERED;
            return judge(number, failure, isUnknown, caller.unreachable(failure));
        });
    }

    private CompletableFuture<List<Commit>> judge(
            int number, AttemptFailed failure, boolean isUnknown, RainerException error) {
        if (isUnknown) {
            unknown = error;
        } else if (!error.retryable()) {
            return settle(error);
        }
        java.time.Duration pause = caller.pause(call, number, failure, error);
        if (pause == null) {
            return settle(unknown == null ? error : unknown);
        }
        return call.rest(pause).thenCompose(rested -> attempt(number + 1));
    }

    /** A 5xx of a proxy may have been made while the server behind it goes on; "internal" is a server that fell over. */
    private static boolean nothingWasDone(Answer answer, RainerException error) {
        if (answer.status() < 500) {
            return answer.status() >= 300; // a gateway's own word for a success is none of ours, and no refusal
        }
        return Refusals.isProblem(answer) && !(error instanceof OutcomeUnknownException) && !error.code().equals("internal");
    }

    /** What to say in the end: the commits if they turn out to stand, else the refusal, or that nothing is known. */
    private CompletableFuture<List<Commit>> settle(RainerException error) {
        RainerException lost = unknown;
        if (lost == null) {
            return CompletableFuture.failedFuture(error);
        }
        if (call.isCancelled() || call.left().isNegative() || call.left().isZero()) {
            return CompletableFuture.failedFuture(outcomeUnknown(error)); // no time to look
        }
        return find.get()
                .handle((found, failure) -> {
                    Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
                    if (cause != null && !(cause instanceof NotFoundException)) {
                        return CompletableFuture.<List<Commit>>failedFuture(
                                cause instanceof RainerException told ? outcomeUnknown(told) : cause);
                    }
                    if (found != null) {
                        return CompletableFuture.completedFuture(found);
                    }
                    return CompletableFuture.<List<Commit>>failedFuture(error == lost ? outcomeUnknown(lost) : error);
                })
                .thenCompose(outcome -> outcome);
    }

    private OutcomeUnknownException outcomeUnknown(RainerException cause) {
        Draft first = drafts.get(0);
        OutcomeUnknownException error = outcomeUnknown(subject(), commitId, first, cause.getMessage());
        error.initCause(cause);
        return error;
    }

    /** The error that says what was sent, why nothing is known of it, and what to do next. */
    private static OutcomeUnknownException outcomeUnknown(String subject, String commitId, Draft first, String why) {
        Map<String, Object> details = new LinkedHashMap<>();
        details.put("commit_id", commitId);
        details.put("namespace", first.namespace());
        details.put("key", first.key());
        details.put("version", first.version());
        return new OutcomeUnknownException(
                subject + " was sent with commit id " + commitId + ", and whether it stands is not known: " + why,
                "read that version: if it is not yours, commit again; with the same commit id it cannot be made twice",
                details);
    }

    private String subject() {
        return subject(drafts);
    }

    private static String subject(List<Draft> drafts) {
        Draft first = drafts.get(0);
        String one = "version " + first.version() + " of key " + Names.quoted(first.key());
        return drafts.size() == 1 ? one : "the changeset of " + drafts.size() + " commits that begins with " + one;
    }

    /** The error of a call whose thread was interrupted while it waited for the answer. */
    static OutcomeUnknownException interrupted(List<Draft> drafts, String commitId) {
        return outcomeUnknown(subject(drafts), commitId, drafts.get(0), "the waiting thread was interrupted");
    }
}
