"""As much of ZooKeeper's protocol as a test needs from outside a client: four-letter words, and ending a session."""

from __future__ import annotations

import socket
import struct

_TIMEOUT_S = 5.0
_CLOSE_SESSION = -11
# Protocol version, last zxid seen, timeout in ms, session id; a buffer with the password and a boolean follow.
_CONNECT = struct.Struct("!iqiq")
_ANSWER = struct.Struct("!iiq")


def four_letter(port: int, word: str, timeout_s: float = _TIMEOUT_S) -> str:
    """What the server says to a word such as `mntr`; empty when it says nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout_s) as connection:
            connection.sendall(word.encode("ascii"))
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode("utf-8", "replace")
    except OSError:
        return ""


def end_session(port: int, session_id: int, password: bytes) -> None:
    """Take a session over on a second connection and close it; LookupError when the server does not know it."""
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT_S) as connection:
        request = _CONNECT.pack(0, 0, 10_000, session_id) + struct.pack("!i", len(password)) + password + b"\0"
        _send(connection, request)
        _version, timeout_ms, _session_id = _ANSWER.unpack_from(_receive(connection))
        if timeout_ms <= 0:
            raise LookupError(f"the server knows no session {session_id:#x} with this password")
        _send(connection, struct.pack("!ii", 1, _CLOSE_SESSION))
        _receive(connection)


def _send(connection: socket.socket, body: bytes) -> None:
    connection.sendall(struct.pack("!i", len(body)) + body)


def _receive(connection: socket.socket) -> bytes:
    (size,) = struct.unpack("!i", _exactly(connection, 4))
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("ZooKeeper closed the connection")
        data += part
    return data
