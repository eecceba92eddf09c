package io.rainer.mirror;

import io.rainer.Commit;
import java.util.Iterator;
import java.util.NoSuchElementException;

/**
 * Commits by key, immutable. A changed one shares with the one before it all but the pages and buckets that the change
 * touched: of 100,000 keys, a commit copies 2 kB of references.
 */
final class Heads {
    static final Heads EMPTY = new Heads(new Commit[1][Editor.PAGE][], 0);

    private final Commit[][][] pages;
    private final int size;

    private Heads(Commit[][][] pages, int size) {
        this.pages = pages;
        this.size = size;
    }

    int size() {
        return size;
    }

    Commit get(String key) {
        int bucket = bucketOf(key, pages.length);
        Commit[] found = pages[bucket / Editor.PAGE][bucket % Editor.PAGE];
        if (found != null) {
            for (Commit one : found) {
                if (one.key().equals(key)) {
                    return one;
                }
            }
        }
        return null;
    }

    Editor edit() {
        return new Editor(this);
    }

    /** An editor of nothing, with room for so many. */
    static Editor editor(int expected) {
        int pages = 1;
        while (pages * Editor.PAGE * Editor.FULL < expected) {
            pages *= 4;
        }
        return new Heads(new Commit[pages][Editor.PAGE][], 0).edit();
    }

    Iterable<Commit> all() {
        return Walk::new;
    }

    Iterator<Commit> iterator() {
        return new Walk();
    }

    private static int bucketOf(String key, int pages) {
        int hash = key.hashCode() * 0x9E3779B9;
        return (hash ^ hash >>> 16) & pages * Editor.PAGE - 1;
    }

    private final class Walk implements Iterator<Commit> {
        private int bucket;
        private int at;
        private Commit next = advance();

        @Override
        public boolean hasNext() {
            return next != null;
        }

        @Override
        public Commit next() {
            Commit found = next;
            if (found == null) {
                throw new NoSuchElementException();
            }
            next = advance();
            return found;
        }

        private Commit advance() {
            for (; bucket < pages.length * Editor.PAGE; bucket++, at = 0) {
                Commit[] some = pages[bucket / Editor.PAGE][bucket % Editor.PAGE];
                if (some != null && at < some.length) {
                    return some[at++];
                }
            }
            return null;
        }
    }

    /** One change of many keys, for one thread, made visible by {@link #done}; nothing of the original is touched. */
    static final class Editor {
        static final int PAGE = 256;
        private static final int FULL = 6;

        private Commit[][][] pages;
        private boolean[] isOurs;
        private int size;

        private Editor(Heads of) {
            pages = of.pages.clone();
            isOurs = new boolean[pages.length];
            size = of.size;
        }

        void put(Commit commit) {
            if (size >= FULL * PAGE * pages.length) {
                grow();
            }
            int bucket = bucketOf(commit.key(), pages.length);
            Commit[][] page = ours(bucket / PAGE);
            Commit[] old = page[bucket % PAGE];
            int at = find(old, commit.key());
            Commit[] changed;
            if (at >= 0) {
                changed = old.clone();
                changed[at] = commit;
            } else {
                int length = old == null ? 0 : old.length;
                changed = new Commit[length + 1];
                if (length > 0) {
                    System.arraycopy(old, 0, changed, 0, length);
                }
                changed[length] = commit;
                size++;
            }
            page[bucket % PAGE] = changed;
        }

        void remove(String key) {
            int bucket = bucketOf(key, pages.length);
            Commit[] old = pages[bucket / PAGE][bucket % PAGE];
            int at = find(old, key);
            if (at < 0) {
                return;
            }
            Commit[] changed = null;
            if (old.length > 1) {
                changed = new Commit[old.length - 1];
                System.arraycopy(old, 0, changed, 0, at);
                System.arraycopy(old, at + 1, changed, at, old.length - at - 1);
            }
            ours(bucket / PAGE)[bucket % PAGE] = changed;
            size--;
        }

        Heads done() {
            return new Heads(pages, size);
        }

        private Commit[][] ours(int page) {
            if (!isOurs[page]) {
                pages[page] = pages[page].clone();
                isOurs[page] = true;
            }
            return pages[page];
        }

        private static int find(Commit[] bucket, String key) {
            for (int at = 0; bucket != null && at < bucket.length; at++) {
                if (bucket[at].key().equals(key)) {
                    return at;
                }
            }
            return -1;
        }

        private void grow() {
            Heads old = done();
            int wider = pages.length * 4;
            pages = new Commit[wider][PAGE][];
            isOurs = new boolean[wider];
            java.util.Arrays.fill(isOurs, true);
            size = 0;
            for (Commit one : old.all()) {
                put(one);
            }
        }
    }
}
