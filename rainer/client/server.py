"""What a client asks of the server as a whole: its namespaces, its status, and the mirrors it knows."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, urlencode

from rainer import limits
from rainer.client.address import with_query
from rainer.client.answers import Namespace, array_of, json_object, namespace_of
from rainer.client.asking import Caller
from rainer.client.reading import Reader
from rainer.client.transport import Request
from rainer.errors import NotFoundError
from rainer.model import names
from rainer.model.published import Report

_JSON: dict[str, str | bytes] = {"Content-Type": "application/json"}


class ServerCalls(ABC):
    """The part of Client that is about its server."""

    _caller: Caller
    _reader: Reader
    _own_name: str | None

    @property
    @abstractmethod
    def namespace_name(self) -> str: ...

    def namespaces(self) -> list[Namespace]:
        """All namespaces of the server."""
        answer = self._reader.ask("/-/namespaces", "the list of namespaces")
        return [namespace_of(answer, member) for member in array_of(answer, json_object(answer), "namespaces")]

    def namespace(self, name: str | None = None) -> Namespace:
        """The settings of a namespace, by default this client's. Raises NamespaceNotFound."""
        name = self.namespace_name if name is None else names.check_namespace(name)
        answer = self._reader.ask(f"/-/namespaces/{name}", f"namespace {name!r}")
        return namespace_of(answer, json_object(answer))

    def create_namespace(
        self, name: str, *, format: str = "any", payload_bytes_max: int = limits.PAYLOAD_BYTES_DEFAULT
    ) -> Namespace:
        """Make a namespace whose payloads parse as `format` (any, json, yaml, toml) and have at most so many bytes.

        One that exists with the same settings is returned. Raises NamespaceExists where they differ, and InvalidError.
        """
        names.check_namespace(name)
        body = json.dumps({"name": name, "format": format, "payload_bytes_max": payload_bytes_max}).encode()
        request = Request("POST", "/-/namespaces", _JSON, body)
        answer = self._caller.ask(request, name, f"namespace {name!r}")
        return namespace_of(answer, json_object(answer))

    def can(
        self, permission: str, where: str | None = None, *, who: str | None = None, groups: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Whether somebody (by default this client) may do that: `allowed`, and `because`.

        `where` is a place as in a policy, `prod/app.x`, `prod/app.*`, `prod`, `store:files/*`, `*`; else, anywhere.
        About others only who may admin everything is told; else DeniedError.
        """
        query = [("may", permission), ("on", where), ("who", who), *(("group", group) for group in groups)]
        path = "/-/can?" + urlencode([(name, value) for name, value in query if value is not None])
        return json_object(self._reader.ask(path, "whether that is allowed"))

    def whoami(self) -> dict[str, Any]:
        """Whom the server takes this client for: name, source and groups.

        The source is token, jwt, certificate or bootstrap, "none" without credentials, and "open" where identity is off
        or the server is an older one. Raises UnauthenticatedError.
        """
        try:
            return json_object(self._reader.ask("/-/whoami", "who asks"))
        except NotFoundError:
            return {"name": "", "source": "open", "groups": []}

    def own_name(self) -> str | None:
        """The name that this client's commits get where it has a token or certificate; None where it has neither.

        Asked of the server once. None, too, where identity is off there, or it is an ancestor's.
        """
        if self._own_name is None:
            self._own_name = self.whoami()["name"] if self._caller.transport.names_who_asks else ""
        return self._own_name or None

    def tokens(self) -> list[dict[str, Any]]:
        """Every token, the newest first: id, name, state, created_by, created, expires, revoked, last_used."""
        answer = self._reader.ask("/-/tokens", "the list of tokens")
        return array_of(answer, json_object(answer), "tokens")

    def create_token(self, name: str, *, expires_s: int | None = None) -> dict[str, Any]:
        """Make a token that proves `name`, for so many seconds or for ever; its text is `token`, told this once.

        A call whose answer is lost is not repeated: a token that nobody knows can be revoked. Raises DeniedError.
        """
        body = json.dumps({"name": name, "expires_s": expires_s}).encode()
        answer = self._caller.ask_once(Request("POST", "/-/tokens", _JSON, body), "", f"a token for {name!r}")
        return json_object(answer)

    def revoke_token(self, token_id: str) -> dict[str, Any]:
        """Have a token prove nothing any more; it is as tokens() lists it. Raises NotFoundError."""
        request = Request("DELETE", f"/-/tokens/{quote(token_id, safe='')}", {})
        return json_object(self._caller.ask(request, "", f"token {token_id!r}"))

    def status(self) -> dict[str, Any]:
        """What the server says of itself: version, lineage, revision, chain, database, schema, uptime_s and so on."""
        return json_object(self._reader.ask("/-/status", "the server's status"))

    def rules(self, *, check: bool = False) -> dict[str, Any]:
        """The rules of validation in force, as JSON members; with `check` also `broken`, the heads that break one.

        A check looks at every head: it may take a minute, and needs `admin` on everything.
        """
        path = with_query("/-/rules", {"check": "yes" if check else None})
        return json_object(self._reader.ask(path, "the rules"))

    def mirrors(self, namespace: str | None = None) -> list[dict[str, Any]]:
        """Every mirror that the server knows of, or those of a namespace, as JSON members.

        id, namespace, host, pid, via (zookeeper or http), lineage, revision, lag_revisions, lag_s (seconds; None where
        a lag cannot be told), state, rejected (key to reason), error, and time, when it said so.
        """
        return self.mirrors_and_missing(namespace)[0]

    def mirrors_and_missing(self, namespace: str | None = None) -> tuple[list[dict[str, Any]], str]:
        """The same, and why those in ZooKeeper are missing, where the server cannot reach it; else the empty text."""
        answer = self._reader.ask(with_query("/-/mirrors", {"namespace": namespace}), "the list of mirrors")
        body = json_object(answer)
        return array_of(answer, body, "mirrors"), str(body.get("missing") or "")

    def report_mirror(self, report: Report) -> None:
        """Tell the server what a mirror holds; to be repeated, for it is forgotten after ten seconds of silence."""
        body = json.dumps(asdict(report), ensure_ascii=False).encode()
        request = Request("PUT", f"/-/mirrors/{quote(report.id, safe='')}", _JSON, body)
        self._caller.ask(request, report.namespace, f"the report of mirror {report.id!r}")

    def forget_mirror(self, mirror_id: str, namespace: str | None = None) -> None:
        """Tell the server that a mirror ends."""
        namespace = self.namespace_name if namespace is None else namespace
        path = with_query(f"/-/mirrors/{quote(mirror_id, safe='')}", {"namespace": namespace})
        self._caller.ask(Request("DELETE", path, {}), namespace, f"the report of mirror {mirror_id!r}")
