/**
 * The client of a Rainer journal over HTTP: {@link io.rainer.RainerClient}, what it answers with, and its errors.
 *
 * <p>Needs the JDK and Jackson alone. Live mirrors are in {@code io.rainer.mirror}, the one over ZooKeeper in the module
 * {@code rainer-zookeeper}.
 */
package io.rainer;
