package io.rainer.zookeeper;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.rainer.InvalidException;
import org.junit.jupiter.api.Test;

/** Hosts that cannot be any are refused when a mirror is made, and not taken for servers that are away. */
class HostsTest {
    @Test
    void whatIsNoListIsRefused() {
        for (String hosts : new String[] {"", ",", "zk1:port", "zk1:2181/bad//path", "zk1:2181 zk2:2181"}) {
            InvalidException error =
                    assertThrows(InvalidException.class, () -> ZooKeeperMirrors.mirror(hosts, "/rainer/diary"), hosts);
            assertEquals("such as zk1:2181,zk2:2181/chroot", error.hint().orElseThrow());
        }
    }

    @Test
    void listsAreTaken() {
        for (String hosts : new String[] {"zk1", "zk1:2181,zk2:2181/chroot/below", "[::1]:2181", "10.0.0.1:2181"}) {
            assertEquals("diary", ZooKeeperMirrors.mirror(hosts, "/rainer/diary").namespace());
        }
    }
}
