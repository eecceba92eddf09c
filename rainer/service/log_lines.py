"""The form of a server's log lines. No line shows a token, whoever logs it and wherever it stands in an error."""

from __future__ import annotations

import json
import logging
import time
from typing import Final

from rainer.model.identity import hide_credentials

_secrets: Final[set[str]] = set()


def hide_secret(text: str | None) -> None:
    """Have this text, which no pattern tells from others, stand as `***` in every line of this process."""
    if text:
        _secrets.add(text)


def _safe(line: str) -> str:
    for secret in _secrets:
        line = line.replace(secret, "***")
    return hide_credentials(line)


class TextLines(logging.Formatter):
    """`2026-01-31T12:34:56Z WARNING rainer.journal: message`."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        return _safe(super().format(record))


class BareLines(logging.Formatter):
    """The message alone."""

    def __init__(self) -> None:
        super().__init__("%(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return _safe(super().format(record))


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message and, after a failure, its traceback."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _safe(json.dumps(line))
