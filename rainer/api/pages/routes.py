"""The pages: one table, held like the API's, to what each needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from rainer.api import needs
from rainer.api.pages import (
    access_pages,
    changing,
    find,
    history,
    namespace_pages,
    new_keys,
    proposing_pages,
    read,
    restoring,
    signing_in,
    standing,
    static_files,
    status_pages,
    waiting,
)
from rainer.api.pages.rendering import is_part
from rainer.api.routing import Table, is_page
from rainer.errors import NotFoundError

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def _entered(endpoint: Endpoint, path: str) -> Endpoint:
    """Refuse pages where no browser is to be: below the path that carries an old client's token.

    Of those that show what the journal holds it is noted first where that stands.
    """
    is_of_journal = not path.startswith("/-/ui/-/") and not path.endswith(("/download", "/check"))
    has_menu = not path.endswith(("/download", "/check")) and "/static/" not in path

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        if not is_page(request.scope):
            raise NotFoundError("there are no pages below a token's path", hint="open /-/ui, and sign in")
        if is_of_journal:
            await standing.note(request)
        if has_menu and not is_part(request):
            await waiting.look(request)
        return await endpoint(request)

    return answer


_PAGES: Final[Table] = (
    ("GET", "/-/ui", find.show_home, needs.SEE),
    ("GET", "/-/ui/-/static/{hash}/{name}", static_files.read_static, needs.OPEN),
    ("GET", "/-/ui/-/sign-in", signing_in.show_sign_in, needs.OPEN),
    ("POST", "/-/ui/-/sign-in", signing_in.sign_in, needs.OPEN),
    ("POST", "/-/ui/-/sign-out", signing_in.sign_out, needs.OPEN),
    ("GET", "/-/ui/-/status", status_pages.show_status, needs.SEE),
    ("GET", "/-/ui/-/proposals", proposing_pages.show_proposals, needs.SEE),
    ("GET", "/-/ui/-/proposals/{id}", proposing_pages.show_proposal, needs.SEE),
    ("POST", "/-/ui/-/proposals/{id}/approve", proposing_pages.approve, needs.APPROVE_SOME),
    ("POST", "/-/ui/-/proposals/{id}/reject", proposing_pages.reject, needs.SEE),
    ("GET", "/-/ui/-/new-namespace", namespace_pages.show_new_namespace, needs.ADMIN_SOME),
    ("POST", "/-/ui/-/new-namespace", namespace_pages.create_namespace, needs.BY_BODY),
    ("GET", "/-/ui/-/namespaces/{name}", namespace_pages.show_facts, needs.BY_BODY),
    ("GET", "/-/ui/-/access", access_pages.show_access, needs.SEE),
    ("GET", "/-/ui/-/tokens", access_pages.show_tokens, needs.ADMIN),
    ("POST", "/-/ui/-/tokens", access_pages.create_token, needs.ADMIN),
    ("GET", "/-/ui/-/tokens/{id}/revoke", access_pages.show_revoke, needs.ADMIN),
    ("POST", "/-/ui/-/tokens/{id}/revoke", access_pages.revoke_token, needs.ADMIN),
    ("GET", "/-/ui/-/new", new_keys.show_new, needs.WRITE_SOME),
    ("GET", "/-/ui/{namespace}", find.show_namespace, needs.READ_SOME),
    ("GET", "/-/ui/{namespace}/{key}", read.show_key, needs.READ_KEY),
    ("GET", "/-/ui/{namespace}/{key}/download", read.download, needs.READ_KEY),
    ("GET", "/-/ui/{namespace}/{key}/history", history.show_history, needs.READ_KEY),
    ("GET", "/-/ui/{namespace}/{key}/diff", history.show_history, needs.READ_KEY),
    ("GET", "/-/ui/{namespace}/{key}/blame", history.show_blame, needs.READ_KEY),
    ("GET", "/-/ui/{namespace}/{key}/edit", changing.show_edit, needs.WRITE_KEY),
    ("POST", "/-/ui/{namespace}/{key}/edit", changing.post_edit, needs.WRITE_KEY),
    ("POST", "/-/ui/{namespace}/{key}/check", changing.check, needs.WRITE_KEY),
    ("GET", "/-/ui/{namespace}/{key}/revert", restoring.show_revert, needs.WRITE_KEY),
    ("POST", "/-/ui/{namespace}/{key}/revert", restoring.post_revert, needs.WRITE_KEY),
    ("GET", "/-/ui/{namespace}/{key}/remove", restoring.show_remove, needs.WRITE_KEY),
    ("POST", "/-/ui/{namespace}/{key}/remove", restoring.post_remove, needs.WRITE_KEY),
)
TABLE: Final[Table] = tuple((method, path, _entered(endpoint, path), held) for method, path, endpoint, held in _PAGES)
"""Every page, and what it needs; the tests hold to this table."""
