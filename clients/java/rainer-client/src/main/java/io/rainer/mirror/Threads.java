package io.rainer.mirror;

/** Waiting for threads that have been told to end. */
final class Threads {
    private Threads() {}

    /** Waits for a thread's end, however often the caller is interrupted meanwhile. */
    static void join(Thread thread) {
        boolean isInterrupted = false;
        while (thread.isAlive() && thread != Thread.currentThread()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                isInterrupted = true;
            }
        }
        if (isInterrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
