package io.rainer.mirror;

/** Where a mirror's heads come from: runs threads of its own from {@link #start} to {@link #close}. */
public interface Source extends AutoCloseable {
    /** Begins, without waiting: connects, loads, follows and, whatever happens, goes on trying until closed. */
    void start(Sink sink);

    /** Ends threads and connections; when it returns, the sink is not called any more. */
    @Override
    void close();

    /** Where it reads from, for messages: {@code ZooKeeper zk1:2181 /rainer/diary}. */
    String describe();
}
