"""A local file to write, published when its writer is done."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rainer.assets.published import Published
from rainer.errors import InvalidError, NoSpace


class Writing:
    """The context of AssetPublisher.publishing(); to be entered once, by one thread."""

    def __init__(self, path: str, publish: Callable[[Path], Published]) -> None:
        self._path = path
        self._publish = publish
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.published: Published | None = None
        """What was published, after the block."""

    def __enter__(self) -> Path:
        """The file to write; it does not exist yet. Its name is the asset's, for those who choose a format by it."""
        if self._folder is not None or self.published is not None:
            raise InvalidError("this context was entered before", hint="call publishing() again")
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="rainer-publish-", ignore_cleanup_errors=True)
        except OSError as e:
            raise NoSpace(
                f"no temporary folder can be made: {e.strerror}", hint="point TMPDIR to a disk with room"
            ) from e
        return self._file(self._folder)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        folder = self._folder
        assert folder is not None
        with folder:
            if exc_type is not None:
                return
            file = self._file(folder)
            if not file.exists():
                raise InvalidError(
                    f"nothing was written to {file}, so no version of {self._path} was published",
                    hint="write to the path that the context gives",
                )
            self.published = self._publish(file)

    def _file(self, folder: tempfile.TemporaryDirectory[str]) -> Path:
        return Path(folder.name) / self._path.rpartition("/")[2]
