package io.rainer.mirror;

import io.rainer.Commit;
import io.rainer.Position;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.OptionalLong;

/** A source whose every word is the test's. */
final class Scripted implements Source {
    static final String LINEAGE = "11111111-1111-4111-8111-111111111111";
    Sink sink;
    boolean isClosed;

    @Override
    public void start(Sink given) {
        sink = given;
    }

    @Override
    public void close() {
        isClosed = true;
    }

    @Override
    public String describe() {
        return "a script";
    }

    static Position at(long revision) {
        return at(LINEAGE, revision);
    }

    static Position at(String lineage, long revision) {
        return new Position(lineage, revision, String.format("%064x", revision));
    }

    static Incoming head(String key, int version, String payload) {
        return Incoming.head(new Commit("diary", key, version, OptionalLong.of(version),
                payload.getBytes(StandardCharsets.UTF_8), false, "me", "", Instant.EPOCH));
    }

    /** Loads these heads, and is current. */
    void load(long revision, Incoming... heads) {
        sink.replace(List.of(heads), at(revision));
        sink.confirm(revision, System.currentTimeMillis());
    }

    boolean apply(long revision, Incoming... records) {
        return sink.apply(List.of(records), at(revision), false);
    }

    Mirror mirror(MirrorOptions options) {
        return Mirror.of("diary", () -> this, options);
    }

    Mirror started() {
        return mirror(MirrorOptions.defaults()).start();
    }
}
