"""What each call needs: the fourth member of the route tables, and the one place where it is demanded.

The hot calls, and those that can be judged only with their bodies, call `permit` themselves: the same function.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import parse_qs

from rainer.access.permissions import Asker, Permissions
from rainer.api import asking
from rainer.errors import RainerError
from rainer.model import names
from rainer.model.policy import STORE

PERMITTED: Final = "rainer_permitted"


class Guarded(Protocol):
    """What this needs of whatever serves: a journal's server, or a mirror server."""

    @property
    def permissions(self) -> Permissions: ...


class Needs(NamedTuple):
    """What a call needs: a permission, and of what.

    `of` is how the place is found: `nothing` (open to all), `anything` (on anything at all), `some` (on something of
    the path's namespace, or of the query's), `seen` (any permission at all there), `key` (on the path's key), `file`
    (of the server store), `files` (on some of them), `everything`, or `body`: the endpoint permits it by what the body
    says, and fails if it does not.
    """

    permission: str
    of: str

    def demand(self, service: Guarded, scope: Any) -> None:
        """DeniedError unless who asks may make this call."""
        permissions = service.permissions
        if permissions.is_open or self.of in ("nothing", "body"):
            return
        asker = permissions.asker(scope)
        match self.of:
            case "anything":
                asker.demand_some(self.permission)
            case "some":
                asker.demand_some(self.permission, _namespace(scope))
            case "seen":
                asker.demand_seeing(_namespace(scope))
            case "key":
                namespace, key = (asking.segment(one) for one in _named(scope)[:2])
                permit(service, scope, self.permission, names.check_namespace(namespace), names.check_key(key))
            case "everything":
                asker.demand(self.permission, "*")
            case "file":
                permit(service, scope, self.permission, STORE, _path(scope))
            case "files":
                asker.demand_some(self.permission, STORE)
            case _:
                raise RainerError(f"nobody knows what {self.of!r} means")

    def check_permitted(self, service: Guarded, scope: Any, status: int) -> None:
        """A bug where a call that is judged by its body did something and was never judged."""
        if self.of == "body" and status < 400 and PERMITTED not in scope and not service.permissions.is_open:
            raise RainerError("the call was answered without anybody asking whether it may be made")


OPEN: Final = Needs("", "nothing")
READ_ANYTHING: Final = Needs("read", "anything")
READ_SOME: Final = Needs("read", "some")
SEE: Final = Needs("", "seen")
READ_KEY: Final = Needs("read", "key")
WRITE_KEY: Final = Needs("write", "key")
WRITE_SOME: Final = Needs("write", "some")
READ_FILE: Final = Needs("read", "file")
WRITE_FILE: Final = Needs("write", "file")
READ_FILES: Final = Needs("read", "files")
APPROVE_SOME: Final = Needs("approve", "anything")
ADMIN: Final = Needs("admin", "everything")
ADMIN_SOME: Final = Needs("admin", "anything")
BY_BODY: Final = Needs("", "body")


def permit(service: Guarded, scope: Any, permission: str, space: str, key: str | None = None) -> None:
    """DeniedError unless who makes a request may do that: on a key, or with None on all of a space."""
    permissions = service.permissions
    if not permissions.is_open:
        permissions.asker(scope).demand(permission, space, key)
        scope[PERMITTED] = True


def permit_some(service: Guarded, scope: Any, permission: str, namespace: str | None = None) -> None:
    """DeniedError unless who makes a request may do that on something of a namespace, or on anything at all."""
    permissions = service.permissions
    if not permissions.is_open:
        permissions.asker(scope).demand_some(permission, namespace)
        scope[PERMITTED] = True


def permit_seeing(service: Guarded, scope: Any, namespace: str | None) -> None:
    """DeniedError unless who makes a request may do anything at all in a namespace, or anywhere."""
    permissions = service.permissions
    if not permissions.is_open:
        permissions.asker(scope).demand_seeing(namespace)
        scope[PERMITTED] = True


def service_of(request: Any) -> Guarded:
    """What serves a request, whichever of the two servers it is."""
    service: Guarded = request.app.state.service
    return service


def asker_of(request: Any) -> Asker:
    """Who makes a request, and what he may do."""
    return service_of(request).permissions.asker(request.scope)


def _namespace(scope: Any) -> str | None:
    """The namespace in a path, or that of the query of one of our own calls; None where none is named."""
    named = _named(scope)
    if named[0] != b"-":
        return names.check_namespace(asking.segment(named[0]))
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    given = query.get("namespace")
    return names.check_namespace(given[-1]) if given else None


def _named(scope: Any) -> list[bytes]:
    """The segments of a path from its namespace on: of pages those below `/-/ui`. No namespace is called `-`."""
    segments = asking.raw_segments(scope)
    is_page = segments[:2] == [b"-", b"ui"] and len(segments) > 2
    return segments[2:] if is_page else segments


def _path(scope: Any) -> str:
    """The file that a call of the server store names."""
    segments = asking.raw_segments(scope)[3:]
    return asking.segment(b"/".join(segments))
