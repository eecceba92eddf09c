import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Scanner;
import java.util.concurrent.CountDownLatch;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.PathChildrenCache;
import org.apache.curator.framework.recipes.cache.PathChildrenCacheEvent;
import org.apache.curator.retry.RetryForever;

/**
 * Usage: PathFollower HOSTS PATH. Prints a JSON object a line: what PATH holds at the start ("initial"), "ready", then
 * each change. Ends when stdin says "quit" or ends. The deprecated cache is the one that services of old use.
 */
@SuppressWarnings("deprecation")
public final class PathFollower {
    private static final int SESSION_TIMEOUT_MS = 10_000;
    private static final int CONNECTION_TIMEOUT_MS = 5_000;
    private static final int RETRY_MS = 200;

    private final CountDownLatch initialIsPrinted = new CountDownLatch(1);

    public static void main(String[] arguments) throws Exception {
        RetryForever retry = new RetryForever(RETRY_MS);
        try (CuratorFramework client = CuratorFrameworkFactory.newClient(
                arguments[0], SESSION_TIMEOUT_MS, CONNECTION_TIMEOUT_MS, retry)) {
            client.start();
            try (PathChildrenCache cache = new PathChildrenCache(client, arguments[1], true)) {
                new PathFollower().follow(cache);
            }
        }
    }

    private void follow(PathChildrenCache cache) throws Exception {
        cache.getListenable().addListener((client, event) -> changed(event));
        cache.start(PathChildrenCache.StartMode.BUILD_INITIAL_CACHE);
        for (ChildData child : cache.getCurrentData()) {
            print("initial", child);
        }
        print("ready", null);
        initialIsPrinted.countDown();
        waitForQuit();
    }

    private void changed(PathChildrenCacheEvent event) throws InterruptedException {
        initialIsPrinted.await(); // a change during the start must not be printed before what it changes
        String name = event.getType().name().toLowerCase();
        print(name.startsWith("child_") ? name.substring("child_".length()) : name, event.getData());
    }

    private static void waitForQuit() {
        Scanner lines = new Scanner(System.in, StandardCharsets.UTF_8);
        while (lines.hasNextLine()) {
            if (lines.nextLine().equals("quit")) {
                return;
            }
        }
    }

    private static synchronized void print(String event, ChildData child) {
        StringBuilder line = new StringBuilder("{\"event\": \"").append(event).append('"');
        if (child != null) {
            String key = child.getPath().substring(child.getPath().lastIndexOf('/') + 1);
            byte[] data = child.getData() == null ? new byte[0] : child.getData();
            line.append(", \"key\": \"").append(escaped(key)).append('"');
            line.append(", \"data\": \"").append(Base64.getEncoder().encodeToString(data)).append('"');
            line.append(", \"version\": ").append(child.getStat().getVersion());
        }
        System.out.println(line.append('}'));
        System.out.flush();
    }

    private static String escaped(String text) {
        StringBuilder out = new StringBuilder();
        for (char unit : text.toCharArray()) {
            boolean plain = unit >= ' ' && unit < 127 && unit != '"' && unit != '\\';
            out.append(plain ? String.valueOf(unit) : String.format("\\u%04x", (int) unit));
        }
        return out.toString();
    }
}
