/** A live mirror of what a Rainer server publishes to ZooKeeper, with Curator. */
package io.rainer.zookeeper;
