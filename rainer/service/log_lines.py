"""The form of a server's log lines."""

from __future__ import annotations

import json
import logging
import time


class TextLines(logging.Formatter):
    """`2026-01-31T12:34:56Z WARNING rainer.journal: message`."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")


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
        return json.dumps(line)
