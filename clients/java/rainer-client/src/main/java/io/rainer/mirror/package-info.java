/**
 * Live mirrors: immutable pictures of a namespace's heads inside a program, over HTTP; io.rainer.zookeeper brings those
 * over ZooKeeper. Begin with {@link io.rainer.mirror.Mirror}.
 */
package io.rainer.mirror;
