package io.rainer.mirror;

/** A listener's being told; it ends with {@link #close}, which may be called in the listener and more than once. */
@FunctionalInterface
public interface Registration extends AutoCloseable {
    @Override
    void close();
}
