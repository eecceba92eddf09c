"""Reports of mirrors as anybody may send them: read strictly, shortened where they are long, and unfolded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from rainer import limits
from rainer.errors import InvalidError, RainerError
from rainer.model import names
from rainer.model.published import Report

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TEXT_CHARS_MAX: Final = 500
_WORD_CHARS_MAX: Final = 64
_BIGINT_MAX: Final = 2**63 - 1


def check_mirror_id(text: str) -> str:
    """Return `text` if it is 1 to 64 of A-Z a-z 0-9 . _ - and so can name a mirror; else InvalidError."""
    if not _ID.fullmatch(text) or text in (".", ".."):
        raise InvalidError(f"mirror id {names.shorten(text)} is not allowed", hint="1 to 64 of A-Z a-z 0-9 . _ -")
    return text


def report_of(members: Mapping[str, Any]) -> Report:
    """A report of JSON members; InvalidError names the one that is missing or of the wrong kind.

    Members that are not known are passed over; long texts are cut, and of many rejected keys the first are kept.
    """
    return Report(
        id=check_mirror_id(_text(members, "id", _WORD_CHARS_MAX + 1)),
        host=_text(members, "host", 255),
        pid=_number(members, "pid"),
        lineage=_text(members, "lineage", _WORD_CHARS_MAX),
        revision=_number(members, "revision"),
        time_ms=_number(members, "time_ms"),
        via=_text(members, "via", _WORD_CHARS_MAX, "zookeeper"),
        state=_text(members, "state", _WORD_CHARS_MAX, "current"),
        rejected=_rejected(members.get("rejected", {})),
        error=_text(members, "error", _TEXT_CHARS_MAX, ""),
        namespace=_text(members, "namespace", limits.NAMESPACE_CHARS_MAX + 1, ""),
        followers=_followers(members.get("followers", [])),
    )


def unfolded(report: Report) -> Iterator[Report]:
    """A report alone, then each of those that it passes on; what cannot be read of these is passed over."""
    yield replace(report, followers=[])
    for members in report.followers:
        try:
            found = report_of(members)
        except RainerError:
            continue
        yield replace(found, followers=[], namespace=found.namespace or report.namespace)


def newest(reports: Iterator[Report]) -> list[Report]:
    """Each mirror once, as it last said of itself, in the order of namespaces, hosts and ids."""
    found: dict[tuple[str, str], Report] = {}
    for report in reports:
        known = found.get((report.namespace, report.id))
        if known is None or known.time_ms < report.time_ms:
            found[report.namespace, report.id] = report
    return sorted(found.values(), key=lambda r: (r.namespace, r.host, r.pid, r.id))


def _text(members: Mapping[str, Any], name: str, chars_max: int, default: str | None = None) -> str:
    value = members.get(name, default)
    if not isinstance(value, str):
        raise InvalidError(f"the report's {name} is {names.shorten(str(value))}, not text")
    return value.encode(errors="replace").decode()[:chars_max]


def _number(members: Mapping[str, Any], name: str) -> int:
    value = members.get(name)
    if type(value) is not int or not 0 <= value <= _BIGINT_MAX:
        raise InvalidError(f"the report's {name} is {names.shorten(str(value))}, not a whole number from 0")
    return value


def _rejected(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise InvalidError("the report's rejected is not a JSON object of keys and reasons")
    first = list(value.items())[: limits.MIRROR_REJECTED_MAX]
    return {str(key)[:_TEXT_CHARS_MAX]: str(why)[:_TEXT_CHARS_MAX] for key, why in first}


def _followers(value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise InvalidError("the report's followers are not a list of reports")
    if len(value) >= limits.MIRRORS_MAX:
        raise InvalidError(f"the report passes on {len(value)} others", hint=f"fewer than {limits.MIRRORS_MAX}")
    return value
