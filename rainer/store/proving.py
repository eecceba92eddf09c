"""What a file store's URL says of who asks: a user and password before its host, or a token in its path."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from rainer.errors import InvalidUri
from rainer.model.identity import TOKEN_PATH, check_credential, split_token_path
from rainer.store.login import login_of, without_login

_STORE: Final = "/-/store"


def without_proof(url: str) -> str:
    """A URL without user and password before its host, and without the token before its `/-/store`."""
    url = without_login(url)
    if TOKEN_PATH in url:
        root, mark, below = url.partition(_STORE)  # what a file is called may look like a token
        url = f"{split_token_path(root + mark)[0]}{below}"
    return url


def authorization_of(url: str, token: str | None = None) -> str | None:
    """The Authorization that a URL stands for, or a token beside it; None for neither, InvalidUri for several."""
    parts = urlsplit(url)
    in_path = split_token_path(parts.path.partition(_STORE)[0] + _STORE)[1]
    if parts.username is not None and (token or in_path):
        raise InvalidUri(
            f"{without_proof(url)} has a user and password, and there is a token too",
            hint="one header carries either of them: leave one away",
        )
    if token or in_path:
        return f"Bearer {check_credential(token or in_path or '')}"
    return login_of(url)
