package io.rainer.zookeeper;

import io.rainer.InvalidException;
import io.rainer.mirror.Mirror;
import io.rainer.mirror.MirrorOptions;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.ACLProvider;
import org.apache.curator.retry.RetryOneTime;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.client.ConnectStringParser;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.data.ACL;

/** Makes mirrors of trees in ZooKeeper: what a Rainer server publishes, or what an ancestor's publisher or keeper left. */
public final class ZooKeeperMirrors {
    /** What an answer may come to: the names of a million keys, and more. */
    private static final int ANSWER_BYTES_MAX = 128 << 20;

    private ZooKeeperMirrors() {}

    /**
     * A mirror of the tree at {@code path}, such as {@code /rainer/diary}, which ends in the namespace; not started.
     *
     * @param hosts such as {@code zk1:2181,zk2:2181/chroot}
     * @throws InvalidException for hosts or a path that cannot be any
     */
    public static Mirror mirror(String hosts, String path, MirrorOptions options) {
        checkHosts(hosts);
        Tree tree = new Tree(path);
        String where = "ZooKeeper " + hosts + " " + path;
        return Mirror.of(tree.namespace(),
                () -> new ZooKeeperSource(new Connection(connect(hosts, options), true), tree, options.reports(), where),
                options);
    }

    private static void checkHosts(String hosts) {
        boolean isList = hosts.chars().noneMatch(Character::isWhitespace);
        try {
            isList = isList && !new ConnectStringParser(hosts).getServerAddresses().isEmpty();
        } catch (IllegalArgumentException | IndexOutOfBoundsException e) { // such as a port or a chroot that is none
            isList = false;
        }
        if (!isList) {
            throw new InvalidException("ZooKeeper hosts '" + hosts + "' are not a list", "such as zk1:2181,zk2:2181/chroot",
                    Map.of());
        }
    }

    /** The same with {@link MirrorOptions#defaults}. */
    public static Mirror mirror(String hosts, String path) {
        return mirror(hosts, path, MirrorOptions.defaults());
    }

    /**
     * A mirror over the caller's own connection, which must be started and is never closed.
     *
     * <p>With a namespace of Curator's, {@code path} is below that. A tree of more than some 20,000 keys needs a larger
     * {@code jute.maxbuffer} of the caller's client than ZooKeeper's default of 1 MB; and where ZooKeeper's data was lost,
     * such a mirror comes back when Curator makes a new session of its own accord.
     */
    public static Mirror mirror(CuratorFramework curator, String path, MirrorOptions options) {
        Tree tree = new Tree(path);
        return Mirror.of(tree.namespace(), () -> {
            Connection connection = new Connection(curator, false);
            return new ZooKeeperSource(connection, tree, options.reports(), connection.describe() + " " + path);
        }, options);
    }

    private static CuratorFramework connect(String hosts, MirrorOptions options) {
        ZKClientConfig config = new ZKClientConfig();
        config.setProperty("jute.maxbuffer", Integer.toString(ANSWER_BYTES_MAX));
        CuratorFrameworkFactory.Builder builder = CuratorFrameworkFactory.builder()
                .connectString(hosts)
                .sessionTimeoutMs((int) options.sessionTimeout().toMillis())
                .connectionTimeoutMs((int) options.connectTimeout().toMillis())
                .retryPolicy(new RetryOneTime(100))
                .ensembleTracker(false) // the hosts are where the user says, also behind a proxy
                .dontUseContainerParents()
                .zkClientConfig(config)
                .aclProvider(acl(options.user() != null));
        if (options.user() != null) {
            String login = options.user() + ":" + options.password();
            builder.authorization("digest", login.getBytes(StandardCharsets.UTF_8));
        }
        return builder.build();
    }

    /** Open to everybody, or, with a user, all to the user and reading to everybody. */
    private static ACLProvider acl(boolean hasUser) {
        List<ACL> acl = new ArrayList<>(hasUser ? ZooDefs.Ids.CREATOR_ALL_ACL : ZooDefs.Ids.OPEN_ACL_UNSAFE);
        if (hasUser) {
            acl.addAll(ZooDefs.Ids.READ_ACL_UNSAFE);
        }
        return new ACLProvider() {
            @Override
            public List<ACL> getDefaultAcl() {
                return acl;
            }

            @Override
            public List<ACL> getAclForPath(String path) {
                return acl;
            }
        };
    }
}
