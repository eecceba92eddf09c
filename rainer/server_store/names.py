"""What a file of the server store may be called: a path of components like a file system's, compared by bytes."""

from __future__ import annotations

import re
from typing import Final

from rainer import limits
from rainer.errors import InvalidError
from rainer.model.names import shorten

COMPONENT_BYTES_MAX: Final = 255
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_HINT: Final = "a name is a path such as foo/bar.csv, without a slash at its ends"


def check_name(name: str) -> str:
    """Return `name` if it is a path of 1 to 1,024 bytes whose components are 1 to 255 bytes; else InvalidError.

    No component is `.` or `..`, none holds a control character. Everything else goes, as the ancestor's names did.
    """
    if not name:
        raise InvalidError("the file's name is empty", hint=_HINT)
    _check_text(name)
    for component in name.split("/"):
        if component in ("", ".", ".."):
            what = f"a component {component!r}" if component else "an empty component"
            raise InvalidError(f"the name {shorten(name)} has {what}", hint=_HINT)
        if len(component) * 4 > COMPONENT_BYTES_MAX and len(component.encode()) > COMPONENT_BYTES_MAX:
            raise InvalidError(
                f"the name {shorten(name)} has a component of {len(component.encode())} bytes,"
                f" over the {COMPONENT_BYTES_MAX} that one may have"
            )
    return name


def check_prefix(prefix: str) -> str:
    """Return `prefix` if it could begin a name, or is empty; else InvalidError."""
    return _check_text(prefix)


def _check_text(text: str) -> str:
    bad = _CONTROL.search(text)
    if bad:
        raise InvalidError(
            f"the name {shorten(text)} holds the control character U+{ord(bad[0]):04X}", hint="rename the file"
        )
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidError(f"the name {shorten(text)} holds a lone surrogate, which is not text") from None
    if size > limits.ASSET_PATH_BYTES_MAX:
        raise InvalidError(
            f"the name {shorten(text)} has {size} bytes, over the {limits.ASSET_PATH_BYTES_MAX} that a name may have"
        )
    return text
