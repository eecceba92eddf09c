"""Whose name commits bear: that of who asks, unless he may, or has to, say another."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rainer.access.permissions import Asker
from rainer.errors import DeniedError
from rainer.model import names
from rainer.model.commit import Draft
from rainer.model.identity import ANONYMOUS, OPEN
from rainer.model.marks import Marks

_SAYS: Final = frozenset({OPEN.source, ANONYMOUS.source})
"""How those were proved who say themselves what they are called."""
_ANONYMOUS: Final = Marks(identity=ANONYMOUS.name).to_text()


def author_of(asker: Asker, said: str, namespace: str, key: str) -> str:
    """The author of a commit for which `said`, perhaps nothing, was given; DeniedError for somebody else's name.

    Nobody in particular says who he is, as everybody does where identity is off, and may say nothing: then it is empty.
    """
    identity = asker.identity
    if identity.source in _SAYS:
        return said
    if not said or said == identity.name:
        return identity.name
    if not asker.may("impersonate", namespace, key):
        raise DeniedError(
            f"{identity.name} may not commit in the name of {names.shorten(said)}",
            hint="leave the author away (X-Rainer-Author, --author): it is who asks; another needs `impersonate`",
        )
    return said


def marks_of(asker: Asker, drafts: Iterable[Draft]) -> str | None:
    """What the server says of commits whose author is not who asked."""
    identity = asker.identity
    if identity.source in _SAYS:
        return None if identity.is_open else _ANONYMOUS
    name = identity.name
    for draft in drafts:
        if draft.author != name:
            return Marks(identity=name).to_text()
    return None
