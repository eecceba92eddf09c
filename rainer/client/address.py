"""Where a server is: a base URL that ends in a namespace, taken apart once and put together for each call."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote, urlencode, urlsplit

from rainer.errors import InvalidError
from rainer.model import names
from rainer.model.identity import check_credential, hide_credentials, split_token_path, with_token_path

_HOST = re.compile(r"""[^\s\x00-\x1f"%'()*<>\\^`{|}]+""")
_STORE = "/-/store"
_HINT = "write it like http://localhost:8080/diary: scheme, host, port, and the namespace at the end"


@dataclass(frozen=True, slots=True)
class Address:
    """A server and one namespace of it; `root` has no slash at its end, `login` the `user:password@` before it.

    `token` is what says who asks; a URL may carry it in its path, `http://host:8080/-/t/TOKEN/diary`.
    """

    root: str
    namespace: str
    login: tuple[str, str] | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """Read `http://host:8080/diary` (a path before the namespace is kept); else InvalidError says what is wrong."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as e:
            raise InvalidError(f"base URL {_shown(url)}: {e}", hint=_HINT) from None
        if parts.scheme not in ("http", "https"):
            raise InvalidError(f"base URL {_shown(url)} does not begin with http:// or https://", hint=_HINT)
        if not parts.hostname:
            raise InvalidError(f"base URL {_shown(url)} names no host", hint=_HINT)
        if parts.query or parts.fragment or url.endswith(("?", "#")):
            raise InvalidError(f"base URL {_shown(url)} has a query or a fragment after the namespace", hint=_HINT)
        if port == 0:
            raise InvalidError(f"base URL {_shown(url)}: port 0 is nobody's", hint=_HINT)
        if not _HOST.fullmatch(parts.hostname):
            raise InvalidError(f"base URL {_shown(url)}: no host has such a name", hint=_HINT)
        path, token = split_token_path(parts.path)
        before, _, last = path.rstrip("/").rpartition("/")
        namespace = unquote(last)
        if not namespace:
            raise InvalidError(f"base URL {_shown(url)} names no namespace", hint=_HINT)
        names.check_namespace(namespace)
        login = None
        if parts.username is not None:
            login = (unquote(parts.username), unquote(parts.password or ""))
        host = parts.netloc.rpartition("@")[2]
        return cls(f"{parts.scheme}://{host}{before}", namespace, login)._signed(token)

    @property
    def base(self) -> str:
        """The base URL as a person would write it again, without the password."""
        return f"{self.root}/{self.namespace}"

    def with_token(self, token: str | None) -> Address:
        """The same with this token, which goes before one in the URL; InvalidError for what can be none."""
        return self._signed(None if token is None else check_credential(token))

    def _signed(self, token: str | None) -> Address:
        if token is None:
            return self
        if self.login is not None:
            raise InvalidError(
                f"base URL {self.base} has a user and password, and there is a token too",
                hint="one header carries either of them: leave one away",
            )
        return replace(self, token=token)

    @property
    def with_login(self) -> str:
        """The base URL as `parse` reads it back whole: user and password included, or the token, in its path."""
        if self.token is not None:
            return f"{with_token_path(self.root, self.token)}/{self.namespace}"
        if self.login is None:
            return self.base
        scheme, _, rest = self.base.partition("://")
        user, password = (quote(part, safe="") for part in self.login)
        return f"{scheme}://{user}:{password}@{rest}"

    @property
    def own_store(self) -> str:
        """The URL of the store that the server has beside its namespaces, with whatever says who asks."""
        return self.with_login.rpartition("/")[0] + _STORE

    def proved(self, store_url: str) -> str:
        """The URL of a store; one of the server's own, or of a folder in it, with whatever says who asks."""
        own = self.root + _STORE
        if store_url == own or store_url.startswith(own + "/"):
            return self.own_store + store_url[len(own) :]
        return store_url

    def in_namespace(self, name: str) -> Address:
        """The same server, another namespace."""
        return replace(self, namespace=names.check_namespace(name))

    def namespace_path(self) -> str:
        return f"/{_escape(self.namespace)}"

    def key_path(self, key: str, *rest: str | int) -> str:
        """The path of a key and what follows it, such as a version or `meta`; InvalidError for what no URL can name."""
        return "/".join((self.namespace_path(), _escape(_check_path_key(key)), *(_escape(str(part)) for part in rest)))


def with_query(path: str, query: Mapping[str, str | int | None]) -> str:
    """The path with those of the query's members that are not None."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _escape(text: str) -> str:
    return quote(text, safe="")


def _check_path_key(key: str) -> str:
    # Looser than the rule for commits: an ancestor's server may hold keys that this project no longer takes.
    if not isinstance(key, str):
        raise InvalidError(f"a key is text, not {type(key).__name__}")
    if not key or key in (".", "..") or "/" in key or any("\ud800" <= c <= "\udfff" for c in key):
        names.check_key(key)
    return key


def _shown(url: str) -> str:
    """The URL for a message, without what stands before an @: it may be a password."""
    scheme, mark, rest = url.partition("://") if "://" in url else ("", "", url)
    if "@" in rest:  # also behind a slash, which a password must not have but may
        rest = f"***@{rest.rpartition('@')[2]}"
    return names.shorten(hide_credentials(f"{scheme}{mark}{rest}"), 200)
