"""What the database servers have in common: fresh databases, and servers that somebody else started."""

from __future__ import annotations

import itertools
import os
import secrets
from abc import abstractmethod
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from tests.services.machine import unprivileged_user
from tests.services.process_service import ProcessService, ServiceError


class DatabaseService(ProcessService):
    """A database server of our own, or, with `external_url`, one that is there already and is never stopped."""

    scheme: str
    environment_name: str

    def __init__(self, *, external_url: str | None = None, options: Sequence[str] = ()) -> None:
        super().__init__(user=None if external_url else unprivileged_user())
        self._external_url = external_url
        self._options = tuple(options)
        self._numbers = itertools.count(1)
        self._prefix = f"rainer_{os.getpid()}_{secrets.token_hex(3)}"

    @classmethod
    def from_environment(cls) -> DatabaseService:
        """The server whose URL the environment gives, else one of our own."""
        return cls(external_url=os.environ.get(cls.environment_name) or None)

    @property
    def owned(self) -> bool:
        """Whether it may be killed, paused and restarted."""
        return self._external_url is None

    @property
    def admin_url(self) -> str:
        """A URL whose user may create databases."""
        return self._external_url or self._own_admin_url()

    def create_database(self) -> str:
        """Make a new, empty database and return its SQLAlchemy-style URL, without a driver's name."""
        name = f"{self._prefix}_{next(self._numbers)}"
        self._create(name)
        return urlunsplit(urlsplit(self.admin_url)._replace(path=f"/{name}"))

    def drop_database(self, url: str) -> None:
        """Drop it, together with whoever is still connected to it."""
        self._drop(urlsplit(url).path.removeprefix("/"))

    def start(self) -> None:
        if self.owned:
            super().start()
        elif not self._answers():
            raise ServiceError(f"nothing answers at the URL in {self.environment_name}")

    def stop(self) -> None:
        self._refuse_unless_owned("stop")
        super().stop()

    def kill(self) -> None:
        self._refuse_unless_owned("kill")
        super().kill()

    def pause(self) -> None:
        self._refuse_unless_owned("pause")
        super().pause()

    @abstractmethod
    def _own_admin_url(self) -> str: ...

    @abstractmethod
    def _create(self, name: str) -> None: ...

    @abstractmethod
    def _drop(self, name: str) -> None: ...

    def _refuse_unless_owned(self, verb: str) -> None:
        if not self.owned:
            raise ServiceError(f"will not {verb} the server named by {self.environment_name}: it is not ours")
