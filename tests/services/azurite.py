"""Azurite: Azure's Blob Storage over HTTP, from memory."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from tests.services.machine import find_binary
from tests.services.process_service import ProcessService

ACCOUNT = "rainertests"


class Azurite(ProcessService):
    """Serves one account with a key of its own at `endpoint`; checks keys and shared access signatures."""

    name = "azurite"
    environment_name = "RAINER_TEST_AZURITE"
    stop_exit_codes = (0, -15)

    def __init__(self) -> None:
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        super().__init__(environment={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"})
        self._containers = 0

    @classmethod
    def available(cls) -> str | None:
        if _program() and find_binary("node"):
            return None
        return f"Azurite is not here; npm installs it, in a folder that {cls.environment_name} names (.ci/npm-packages)"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={self.key};BlobEndpoint={self.endpoint};"
        )

    def make_container(self, *, is_public: bool = False) -> str:
        """A new, empty container's name; of a public one everybody may read the blobs."""
        from azure.storage.blob import BlobServiceClient, PublicAccess

        self._containers += 1
        name = f"container-{self._containers}"
        with BlobServiceClient.from_connection_string(self.connection_string) as client:
            client.create_container(name, public_access=PublicAccess.BLOB if is_public else None)
        return name

    def _prepare(self) -> None:
        pass

    def _command(self) -> Sequence[str]:
        return [
            str(find_binary("node")),
            str(_program()),
            "--inMemoryPersistence",
            "--disableTelemetry",
            "--skipApiVersionCheck",
            "--silent",
            "--blobHost=127.0.0.1",
            f"--blobPort={self.port}",
        ]

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


def _program() -> Path | None:
    """Where npm put it: in the folder that the environment names, in that of `make test`, or in the PATH."""
    named = os.environ.get(Azurite.environment_name)
    top = Path(__file__).resolve().parents[2]
    for folder in (Path(named) if named else None, top / ".venv" / "npm"):
        program = folder and folder / "node_modules" / ".bin" / "azurite-blob"
        if program and program.exists():
            return program.resolve()
    found = shutil.which("azurite-blob")
    return Path(found).resolve() if found else None
