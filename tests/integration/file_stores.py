"""File stores to run one test on: a server's, over HTTP, and the twin in memory."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rainer.testing
from rainer.store import Client
from tests.services.rainer import RainerServer


@dataclass
class FileStores:
    """A client, and `other` of the same store that keeps no copies, and a folder of the store for the test."""

    client: Client
    other: Client
    folder: str
    scratch: Path

    def name(self, path: str) -> str:
        """A name in the test's folder."""
        return f"{self.folder}/{path}"

    def source(self, contents: bytes) -> Path:
        """A file with these contents."""
        path = self.scratch / f"source-{uuid.uuid4().hex}"
        path.write_bytes(contents)
        return path

    def put(self, path: str, contents: bytes, **options: Any) -> str:
        return self.client.put_file(self.name(path), self.source(contents), **options)

    def read(self, name: str) -> bytes:
        """What the store has, past all copies."""
        stream, _ = self.other.get_stream(name)
        with stream:
            return stream.read()

    def close(self) -> None:
        self.client.close()
        self.other.close()


def served_store(server: RainerServer, scratch: Path) -> FileStores:
    """The store of a server."""
    url = f"{server.url}/-/store"
    return FileStores(Client(url, scratch / "copies"), Client(url), f"/t-{uuid.uuid4().hex}", scratch)


def memory_store(scratch: Path) -> FileStores:
    """The twin."""
    client = rainer.testing.store_client()
    return FileStores(
        client, rainer.testing.store_client(local=False, beside=client), f"/t-{uuid.uuid4().hex}", scratch
    )
