package io.rainer.zookeeper;

import io.rainer.InvalidException;
import io.rainer.Names;
import java.util.Map;

/** Where everything of a namespace lies in ZooKeeper, below a root such as {@code /rainer/diary}. */
record Tree(String root) {
    Tree {
        if (!root.startsWith("/") || root.endsWith("/") || root.contains("//")) {
            throw new InvalidException(
                    Names.shorten(root) + " is not the path of a namespace in ZooKeeper", "such as /rainer/diary", Map.of());
        }
    }

    String namespace() {
        return root.substring(root.lastIndexOf('/') + 1);
    }

    String data() {
        return root + "/data";
    }

    String log() {
        return root + "/log";
    }

    String head() {
        return root + "/head";
    }

    String large() {
        return root + "/large";
    }

    String beat() {
        return root + "/beat";
    }

    String mirror(String id) {
        return root + "/mirrors/" + id;
    }

    String key(String key) {
        return root + "/data/" + key;
    }

    String batch(long n) {
        return String.format("%s/log/%010d", root, n);
    }

    String largeKey(String key) {
        return root + "/large/" + key;
    }
}
