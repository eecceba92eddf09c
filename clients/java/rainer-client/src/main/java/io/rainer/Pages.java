package io.rainer;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Spliterators;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Answers of several pages: all of them in a list, or one after the other as a stream. */
final class Pages {
    private Pages() {}

    /**
     * All commits of all pages.
     *
     * @param next reads the page at a cursor
     */
    static <C> CompletableFuture<List<Commit>> all(
            C first, Call call, Function<C, CompletableFuture<Reader.Part<C>>> next) {
        CompletableFuture<List<Commit>> result = new CompletableFuture<>();
        new All<>(call, next, result).read(first);
        return result;
    }

    /** Not a chain of futures: a history may have very many pages. */
    private record All<C>(
            Call call,
            Function<C, CompletableFuture<Reader.Part<C>>> next,
            CompletableFuture<List<Commit>> result,
            List<Commit> found) {

        All(Call call, Function<C, CompletableFuture<Reader.Part<C>>> next, CompletableFuture<List<Commit>> result) {
            this(call, next, result, new ArrayList<>());
        }

        void read(C cursor) {
            call.renew();
            next.apply(cursor).whenComplete((part, failure) -> {
                if (failure != null) {
                    boolean isWrapped = failure instanceof CompletionException && failure.getCause() != null;
                    result.completeExceptionally(isWrapped ? failure.getCause() : failure);
                    return;
                }
                try {
                    found.addAll(part.commits());
                    if (part.next() == null) {
                        result.complete(found);
                    } else {
                        read(part.next());
                    }
                } catch (Throwable e) { // such as memory that ends: nobody may wait for ever
                    result.completeExceptionally(e);
                }
            });
        }
    }

    /** The same one commit at a time; a page is asked for when the one before has been taken. */
    static <C> Stream<Commit> stream(C first, Function<C, Reader.Part<C>> next) {
        return StreamSupport.stream(new OneByOne<>(first, next), false);
    }

    private static final class OneByOne<C> extends Spliterators.AbstractSpliterator<Commit> {
        private final Function<C, Reader.Part<C>> next;
        private final Deque<Commit> page = new ArrayDeque<>();
        private C cursor;

        OneByOne(C first, Function<C, Reader.Part<C>> next) {
            super(Long.MAX_VALUE, ORDERED | NONNULL | IMMUTABLE);
            this.cursor = first;
            this.next = next;
        }

        @Override
        public boolean tryAdvance(Consumer<? super Commit> action) {
            while (page.isEmpty() && cursor != null) {
                Reader.Part<C> part = next.apply(cursor);
                page.addAll(part.commits());
                cursor = part.next();
            }
            if (page.isEmpty()) {
                return false;
            }
            action.accept(page.removeFirst());
            return true;
        }
    }
}
