package io.rainer.mirror;

import io.rainer.Commit;
import io.rainer.CommitSerialization;
import io.rainer.CorruptException;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** A snapshot's file, and its predecessor beside it with {@code .previous}. One thread at a time. */
final class SnapshotFile {
    private static final System.Logger LOG = System.getLogger("io.rainer.mirror");
    /** Clocks differ; a snapshot that was saved later than this from now was not saved. */
    private static final long AHEAD_MS_MAX = 5 * 60 * 1000;
    private static final long LEFTOVER_MS = 3_600_000;
    private static final Set<OpenOption> NEW = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);

    private final Path path;
    private final String namespace;

    SnapshotFile(Path path, String namespace) {
        this.path = path.toAbsolutePath();
        this.namespace = namespace;
    }

    /** The newest one that is whole, of this namespace and not of the future; null where there is none. */
    Snapshot load() {
        for (Path one : List.of(path, beside(path.getFileName() + ".previous"))) {
            try {
                return checked(Snapshot.fromBytes(Files.readAllBytes(one)));
            } catch (NoSuchFileException e) {
                continue;
            } catch (IOException | CorruptException e) {
                LOG.log(Level.WARNING, "the snapshot {0} of {1} cannot be used: {2}", one, namespace, e.getMessage());
            }
        }
        return null;
    }

    private Snapshot checked(Snapshot found) {
        if (!found.namespace().equals(namespace)) {
            throw new CorruptException("it is of another namespace, " + found.namespace());
        }
        long aheadMs = Math.max(found.savedMs(), found.currentMs()) - System.currentTimeMillis();
        if (aheadMs > AHEAD_MS_MAX) {
            throw new CorruptException("it was saved " + aheadMs / 1000 + " s in the future");
        }
        return found;
    }

    /** Puts a new one in the place of the last, which is kept as the one before; a failure leaves both as they were. */
    void save(State state, long currentMs) throws IOException {
        List<PackedHead> records = new ArrayList<>(state.heads().size());
        for (Commit commit : state.heads().all()) {
            records.add(new PackedHead(commit.key(), commit.version(), commit.revision().orElse(0), PackedHead.Kind.HEAD,
                    CommitSerialization.toBytes(commit)));
        }
        long now = System.currentTimeMillis();
        byte[] data = new Snapshot(namespace, state.position(), currentMs, now, records).toBytes();
        makeFolder();
        sweep();
        Path fresh = beside("." + path.getFileName() + "." + ProcessHandle.current().pid() + "." + System.nanoTime() + ".new");
        try {
            write(fresh, data);
            keepPrevious();
            move(fresh, path);
        } catch (IOException | RuntimeException e) {
            Files.deleteIfExists(fresh);
            throw e;
        }
        syncFolder();
    }

    private void keepPrevious() throws IOException {
        try {
            move(path, beside(path.getFileName() + ".previous"));
        } catch (NoSuchFileException e) {
            LOG.log(Level.DEBUG, "{0} is the first, or another program has just moved the one before", path);
        }
    }

    private Path beside(String name) {
        return path.resolveSibling(name);
    }

    private void makeFolder() throws IOException {
        Path folder = path.getParent();
        if (!Files.isDirectory(folder)) {
            Files.createDirectories(folder.getParent());
            try {
                Files.createDirectory(folder, only("rwx------"));
            } catch (FileAlreadyExistsException e) {
                if (!Files.isDirectory(folder)) { // else another program was first
                    throw e;
                }
            }
        }
    }

    private FileAttribute<?>[] only(String permissions) {
        boolean isPosix = path.getFileSystem().supportedFileAttributeViews().contains("posix");
        return isPosix
                ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString(permissions))}
                : new FileAttribute<?>[0];
    }

    private void write(Path fresh, byte[] data) throws IOException {
        try (FileChannel file = FileChannel.open(fresh, NEW, only("rw-------"))) {
            ByteBuffer rest = ByteBuffer.wrap(data);
            while (rest.hasRemaining()) {
                file.write(rest);
            }
            file.force(true);
        }
    }

    private static void move(Path from, Path to) throws IOException {
        try {
            Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private void syncFolder() {
        try (FileChannel folder = FileChannel.open(path.getParent(), StandardOpenOption.READ)) {
            folder.force(true);
        } catch (IOException e) {
            LOG.log(Level.DEBUG, "{0} cannot be synced: {1}", path.getParent(), e); // not every system opens a folder
        }
    }

    /** Removes what programs left behind that were killed while they saved. */
    private void sweep() throws IOException {
        String begin = "." + path.getFileName() + ".";
        DirectoryStream.Filter<Path> isLeftover = one -> one.getFileName().toString().startsWith(begin)
                && one.getFileName().toString().endsWith(".new")
                && System.currentTimeMillis() - Files.getLastModifiedTime(one).toMillis() > LEFTOVER_MS;
        try (DirectoryStream<Path> found = Files.newDirectoryStream(path.getParent(), isLeftover)) {
            for (Path one : found) {
                Files.deleteIfExists(one);
            }
        } catch (NoSuchFileException | java.nio.file.DirectoryIteratorException e) {
            LOG.log(Level.DEBUG, "{0} was swept by somebody else: {1}", path.getParent(), e);
        }
    }
}
