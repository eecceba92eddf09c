package io.rainer.zookeeper;

/** Wakes one thread, also one that is not asleep yet. */
final class Wake {
    private boolean isSet;

    synchronized void set() {
        isSet = true;
        notifyAll();
    }

    /** Returns when it was set since the last return, or after {@code ms}. */
    synchronized void await(long ms) throws InterruptedException {
        long until = ZooKeeperSource.now() + ms;
        while (!isSet && ZooKeeperSource.now() < until) {
            wait(Math.max(1, until - ZooKeeperSource.now()));
        }
        isSet = false;
    }
}
