package io.rainer.zookeeper;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.rainer.Commit;
import io.rainer.Position;
import io.rainer.RainerException;
import io.rainer.mirror.Change;
import io.rainer.mirror.Changeset;
import io.rainer.mirror.Mirror;
import io.rainer.mirror.MirrorOptions;
import io.rainer.mirror.MirrorSnapshot;
import io.rainer.mirror.Packed;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryOneTime;
import org.apache.zookeeper.ZooKeeper;

/**
 * A mirror under a recorder, for the fault tests: prints, as lines of JSON, every state that a reader was shown, as the
 * difference to the one before.
 *
 * <p>{@code MirrorDriver http URL | zookeeper HOSTS PATH | curator HOSTS PATH [snapshot FILE] [user NAME PASSWORD]
 * [token TOKEN] [ready SECONDS] [times]}; on stdin "state"
 * asks how it stands and "quit" ends it. With "times" it prints when each change was told instead. It ends at once where
 * nothing is ready within "ready" seconds. With "curator" the connection is the program's own, and "session" tells its
 * session.
 */
public final class MirrorDriver {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private static final long LOOK_EVERY_MS = 2;

    private final PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    private final Mirror mirror;
    private final CuratorFramework own;
    private final Semaphore nudges = new Semaphore(0);
    private final Map<String, Commit> folded = new ConcurrentHashMap<>();
    private volatile boolean isEnded;
    private volatile long looks;
    private MirrorSnapshot shown;

    private MirrorDriver(Mirror mirror, CuratorFramework own) {
        this.mirror = mirror;
        this.own = own;
    }

    /** See the class. */
    public static void main(String[] arguments) throws Exception {
        MirrorOptions options = MirrorOptions.defaults();
        boolean onlyTimes = false;
        long readySeconds = 60;
        String source = arguments[0];
        int at = source.equals("http") ? 2 : 3;
        for (; at < arguments.length; at++) {
            switch (arguments[at]) {
                case "snapshot" -> options = options.withSnapshot(Path.of(arguments[++at]));
                case "user" -> options = options.withDigest(arguments[++at], arguments[++at]);
                case "token" -> options = options.withToken(arguments[++at]);
                case "ready" -> readySeconds = Long.parseLong(arguments[++at]);
                case "times" -> onlyTimes = true;
                default -> throw new IllegalArgumentException(arguments[at]);
            }
        }
        long begun = System.nanoTime();
        CuratorFramework own = null;
        if (source.equals("curator")) {
            own = CuratorFrameworkFactory.newClient(arguments[1], 6000, 3000, new RetryOneTime(100));
            own.start();
        }
        Mirror mirror = switch (source) {
            case "http" -> Mirror.http(arguments[1], options);
            case "curator" -> ZooKeeperMirrors.mirror(own, arguments[2], options);
            default -> ZooKeeperMirrors.mirror(arguments[1], arguments[2], options);
        };
        new MirrorDriver(mirror, own).run(begun, Duration.ofSeconds(readySeconds), onlyTimes);
        if (own != null) {
            own.close();
        }
    }

    private void run(long begun, Duration patience, boolean onlyTimes) throws Exception {
        Thread recorder = new Thread(this::record, "recorder");
        if (!onlyTimes) {
            mirror.onChange(this::fold);
            mirror.onChangeset(this::check);
            recorder.start();
        }
        try {
            mirror.awaitReady(patience);
        } catch (RainerException e) {
            print(event("failed").put("why", e.getMessage()).put("code", e.code()));
            System.exit(0);
        }
        ObjectNode ready = event("ready").put("ms", (System.nanoTime() - begun) / 1e6).put("keys", mirror.snapshot().size());
        if (onlyTimes) {
            mirror.onChange((key, before, after) -> printTime(key, after));
        } else {
            look(); // what is ready has been shown before anybody is told so
        }
        print(ready);
        obey();
        isEnded = true;
        nudges.release();
        recorder.join();
        if (!onlyTimes) {
            awaitFold();
        }
        print(event("end").put("folded", folded.equals(Map.copyOf(mirror.snapshot()))).put("looks", looks));
        mirror.close();
    }

    private void obey() throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null && !line.equals("quit"); line = in.readLine()) {
            if (line.equals("session")) {
                ZooKeeper zk = own.getZookeeperClient().getZooKeeper();
                String password = HexFormat.of().formatHex(zk.getSessionPasswd());
                print(event("session").put("id", zk.getSessionId()).put("password", password));
                continue;
            }
            double age = mirror.age().equals(Mirror.NEVER) ? -1 : mirror.age().toMillis() / 1000.0;
            ObjectNode told = event("state").put("state", mirror.state().name().toLowerCase(Locale.ROOT));
            told.put("age_s", age).put("looks", looks);
            print(told.put("error", mirror.error().map(Throwable::getMessage).orElse("")));
        }
    }

    private static ObjectNode event(String kind) {
        return NODES.objectNode().put("event", kind);
    }

    private synchronized void print(ObjectNode line) {
        try {
            out.println(JSON.writeValueAsString(line));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private void printTime(String key, Commit after) {
        Instant now = Instant.now();
        print(event("change").put("key", key).put("version", after == null ? 0 : after.version())
                .put("at_us", now.getEpochSecond() * 1_000_000 + now.getNano() / 1000));
    }

    // What listeners hear

    private void fold(String key, Commit before, Commit after) {
        nudges.release();
        if (after == null) {
            folded.remove(key);
        } else {
            folded.put(key, after);
        }
    }

    private void check(Changeset changeset) {
        Map<String, Change> last = new ConcurrentHashMap<>();
        changeset.changes().forEach(change -> last.put(change.key(), change));
        for (Change change : last.values()) {
            if (changeset.snapshot().get(change.key()) != change.after()) {
                print(event("broken").put("why", "a changeset's snapshot does not show its change of " + change.key()));
            }
        }
    }

    private void awaitFold() throws InterruptedException {
        long until = System.nanoTime() + 5_000_000_000L;
        while (!folded.equals(Map.copyOf(mirror.snapshot())) && System.nanoTime() < until) {
            nudges.tryAcquire(LOOK_EVERY_MS, TimeUnit.MILLISECONDS);
        }
    }

    // What readers are shown

    private void record() {
        try {
            look();
            while (!isEnded) {
                nudges.tryAcquire(LOOK_EVERY_MS, TimeUnit.MILLISECONDS);
                nudges.drainPermits();
                look();
            }
        } catch (InterruptedException | RuntimeException e) {
            print(event("broken").put("why", "a reader failed: " + e));
        }
    }

    private synchronized void look() {
        MirrorSnapshot now = mirror.snapshot();
        ObjectNode changed = NODES.objectNode();
        int same = 0;
        for (Commit commit : now.values()) {
            Commit before = shown == null ? null : shown.get(commit.key());
            if (before != null && before.version() == commit.version() && isSamePayload(before, commit)) {
                same++;
            } else {
                changed.putArray(commit.key()).add(commit.version()).add(digest(commit));
            }
        }
        if (shown != null && same < shown.size()) {
            shown.keySet().stream().filter(key -> !now.containsKey(key)).forEach(changed::putNull);
        }
        boolean isNew = shown == null || !shown.position().equals(now.position())
                || !shown.rejected().equals(now.rejected()) || !changed.isEmpty();
        shown = now;
        if (isNew) {
            ObjectNode line = event("shown");
            Optional<Position> position = now.position();
            line.put("position", position.map(Position::toString).orElse(null));
            line.set("changed", changed);
            now.rejected().forEach(line.putObject("rejected")::put);
            print(line);
        }
        looks = looks + 1;
    }

    private static boolean isSamePayload(Commit a, Commit b) {
        return a == b || a.payloadBuffer().equals(b.payloadBuffer());
    }

    private static String digest(Commit commit) {
        byte[] payload = commit.payload();
        return HexFormat.of().formatHex(Packed.sha256(payload, 0, payload.length)).substring(0, 16);
    }
}
