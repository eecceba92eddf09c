package io.rainer.zookeeper;

import org.apache.zookeeper.data.Stat;

/** A node's data, and which node it is: one of the same path in another life of the tree is another one. */
record Node(byte[] data, Stat stat) {
    /** Which life: after a wipe ZooKeeper counts its transactions from the beginning again, hence the time. */
    record Life(long czxid, long createdMs) {}

    Life life() {
        return new Life(stat.getCzxid(), stat.getCtime());
    }
}
