package io.rainer;

import java.net.http.HttpRequest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** Sends drafts under commit ids: how they are spelt as requests, and how a lost one is recognised. Thread-safe. */
final class Writer {
    private final Caller caller;
    private final Address address;

    Writer(Caller caller, Address address) {
        this.caller = caller;
        this.address = address;
    }

    /**
     * Send one draft: as the ancestor's POST where its texts fit the JDK's headers, else as a changeset of one.
     *
     * <p>One that is only tried is a changeset that says so, which servers refuse that know of no such thing; the POST
     * they would take for a commit.
     *
     * @param how has a commit id
     */
    CompletableFuture<Commit> commit(Draft draft, CommitOptions how, Call call) {
        HeaderText.Encoded author = HeaderText.encode(draft.author());
        HeaderText.Encoded comment = HeaderText.encode(draft.comment());
        if (author.isSendable() && comment.isSendable() && !how.isDryRun()) {
            return post(draft, how, author.ascii(), comment.ascii(), call).thenApply(made -> made.get(0));
        }
        return Caller.recover(changeset(List.of(draft), how, call), error -> {
                    boolean hasNoChangesets = error instanceof InvalidException || error instanceof NotFoundException;
                    Object status = error.details().get("http_status");
                    if (hasNoChangesets && status instanceof Integer code && (code == 404 || code == 405)) {
                        InvalidException plain = hasNoChangesets(how);
                        plain.initCause(error);
                        return plain;
                    }
                    return error;
                })
                .thenApply(made -> made.get(0));
    }

    private InvalidException hasNoChangesets(CommitOptions how) {
        if (how.isDryRun()) {
            return new InvalidException(address.base() + ": this server cannot try a commit");
        }
        return new InvalidException(
                address.base() + ": this server takes author and comment only as one short line of ASCII",
                "shorten the comment to one line of at most 4,096 bytes, without accents",
                Map.of());
    }

    /** Send drafts that are made all together or not at all; the commits in the order of the drafts. */
    CompletableFuture<List<Commit>> changeset(List<Draft> drafts, CommitOptions how, Call call) {
        HttpRequest.Builder request = caller.transport()
                .request(how.isDryRun() ? "/-/changesets?dry_run=yes" : "/-/changesets")
                .setHeader("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofByteArray(ChangesetBody.of(drafts, how.isDryRun())));
        return send(request, drafts, how, call, answer -> granted(answer, drafts));
    }

    private CompletableFuture<List<Commit>> post(
            Draft draft, CommitOptions how, String author, String comment, Call call) {
        String path = address.inNamespace(draft.namespace()).keyPath(draft.key(), draft.version());
        byte[] payload = draft.bytes();
        HttpRequest.Builder request = caller.transport()
                .request(path)
                .setHeader("Content-Type", "application/octet-stream")
                .setHeader("X-Rainer-Author", author)
                .setHeader("X-Rainer-Comment", comment)
                // A payload that does not parse is then refused with line and column, not in the ancestor's sentence.
                .setHeader("Accept", "application/problem+json, */*")
                .POST(HttpRequest.BodyPublishers.ofByteArray(payload == null ? new byte[0] : payload));
        if (payload == null) {
            request.setHeader("X-Rainer-Empty", "Yes");
        }
        if (draft.mtime() != null) {
            request.setHeader("X-Rainer-Modified-Time", Times.format(draft.mtime()));
        }
        return send(request, List.of(draft), how, call, answer -> List.of(granted(answer, draft)));
    }

    private CompletableFuture<List<Commit>> send(
            HttpRequest.Builder request,
            List<Draft> drafts,
            CommitOptions how,
            Call call,
            Function<Answer, List<Commit>> read) {
        request.setHeader("X-Rainer-Commit-Id", how.commitId());
        if (how.isForced()) {
            request.setHeader("X-Rainer-Force", "yes");
        }
        return new Sending(caller, call, request, drafts, how.commitId(), read, () -> find(drafts, call)).send();
    }

    private Commit granted(Answer answer, Draft draft) {
        Commit meta = Answers.commitOfMeta(answer, draft.namespace());
        if (!meta.key().equals(draft.key()) || meta.version() != draft.version()) {
            throw Refusals.foreign(answer, "it speaks of another commit than was sent");
        }
        return filled(meta, draft, answer.number("x-rainer-commit-revision"));
    }

    private static Commit filled(Commit meta, Draft draft, OptionalLong revision) {
        return new Commit(
                draft.namespace(), meta.key(), meta.version(), revision, draft.bytes(), draft.bytes() == null,
                meta.author(), meta.comment(), meta.mtime(), meta.marks());
    }

    private record Place(String namespace, String key, int version) {}

    private static List<Commit> granted(Answer answer, List<Draft> drafts) {
        Map<Place, Commit> told = new HashMap<>();
        for (Commit meta : Answers.page(answer, "commits", drafts.get(0).namespace()).commits()) {
            told.put(new Place(meta.namespace(), meta.key(), meta.version()), meta);
        }
        List<Commit> found = new ArrayList<>(drafts.size());
        for (Draft draft : drafts) {
            Commit meta = told.get(new Place(draft.namespace(), draft.key(), draft.version()));
            if (meta == null) {
                throw Refusals.foreign(answer, "it does not speak of " + draft + ", which was sent");
            }
            found.add(filled(meta, draft, meta.revision()));
        }
        return found;
    }

    /** The stored commits if they say all that the drafts do, else null; NotFoundException where one is absent. */
    private CompletableFuture<List<Commit>> find(List<Draft> drafts, Call call) {
        return find(drafts, 0, new ArrayList<>(), call);
    }

    private CompletableFuture<List<Commit>> find(List<Draft> drafts, int at, List<Commit> found, Call call) {
        if (at == drafts.size()) {
            return CompletableFuture.completedFuture(found);
        }
        Draft draft = drafts.get(at);
        Reader reader = new Reader(caller, address.inNamespace(draft.namespace()));
        return reader.get(draft.key(), OptionalInt.of(draft.version()), OptionalLong.empty(), call)
                .thenCompose(stored -> {
                    if (!saysTheSame(stored, draft)) {
                        return CompletableFuture.completedFuture(null);
                    }
                    found.add(stored);
                    return find(drafts, at + 1, found, call);
                });
    }

    private static boolean saysTheSame(Commit stored, Draft draft) {
        return Arrays.equals(stored.payload(), draft.bytes())
                && stored.author().equals(draft.author())
                && stored.comment().equals(draft.comment())
                && (draft.mtime() == null || stored.mtime().equals(draft.mtime()));
    }
}
