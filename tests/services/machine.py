"""What this machine offers a server: binaries, a free port, a folder, a user that is not root."""

from __future__ import annotations

import glob
import os
import pwd
import random
import shutil
import socket
import stat
import tempfile
from pathlib import Path

# Below every system's range for outgoing connections (Linux begins at 32768, macOS at 49152). A client that keeps
# dialling a dead server's port from inside that range can be given the same port as its own end: it then talks to
# itself, and the server can no longer come back to its port.
_PORTS = range(20000, 32000)

_BINARY_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin")

_MEMORY = Path("/dev/shm")
_MEMORY_BYTES_MIN = 8 * 1024**3
_servers_parent: str | None = None


def find_binary(*names: str) -> Path | None:
    """The first of these programs that exists, in PATH or where distributions put their servers; newest first."""
    for name in names:
        found = shutil.which(name)
        if found:
            return Path(found)
    folders = [Path(folder) for pattern in _BINARY_FOLDERS for folder in sorted(glob.glob(pattern), reverse=True)]  # noqa: PTH207
    return next((folder / name for name in names for folder in folders if (folder / name).is_file()), None)


def free_port() -> int:
    """A loopback port that nobody listened on a moment ago, the same on every attempt to restart."""
    for port in random.SystemRandom().sample(_PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port among 200 tried in {_PORTS.start}–{_PORTS.stop - 1}")


def unprivileged_user() -> str | None:
    """Whom database servers run as when the tests run as root (they refuse root); None: as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ("nobody", "postgres", "mysql"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise OSError("running as root, and neither nobody, postgres nor mysql is a user here")


def servers_keep_their_data_in_memory() -> None:
    """From now on, where memory is plenty: for tests, which end processes and never the power. Not for benchmarks."""
    global _servers_parent
    if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN and _everyone_may_enter(_MEMORY):
        _servers_parent = str(_MEMORY)


def new_folder(prefix: str, owner: str | None) -> Path:
    """A temporary folder, given to `owner`, at a place that this user can reach."""
    parent = _servers_parent or _reachable_parent(owner)
    folder = Path(tempfile.mkdtemp(prefix=f"rainer-{prefix}-", dir=parent))
    if owner is not None:
        user = pwd.getpwnam(owner)
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


def _reachable_parent(owner: str | None) -> str | None:
    if owner is None:
        return None
    candidates = (tempfile.gettempdir(), "/tmp", "/var/tmp")
    return next((folder for folder in candidates if _everyone_may_enter(Path(folder))), None)


def _everyone_may_enter(folder: Path) -> bool:
    steps = (folder, *folder.resolve().parents)
    return folder.is_dir() and all(step.stat().st_mode & stat.S_IXOTH for step in steps)
