"""A key that is not there yet: it gets a name, and then a text like every other."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from rainer.api.needs import asker_of
from rainer.api.pages import changes
from rainer.api.pages.rendering import links_of, page, redirect
from rainer.api.problems import status_of
from rainer.api.reading import service_of
from rainer.errors import InvalidError, RainerError
from rainer.model import names


async def show_new(request: Request) -> Response:
    """`GET /-/ui/-/new?namespace=&key=`: asks for a name, and leads on to the editor; names that are taken are told."""
    namespace = names.check_namespace(request.query_params.get("namespace", ""))
    space = await service_of(request).namespace_for_writing(namespace)
    key = request.query_params.get("key")
    wrong: RainerError | None = None
    status, taken = 200, False
    if key is not None:
        try:
            names.check_key(key)
            asker_of(request).demand("write", namespace, key)
            head = await changes.head_of(request, namespace, key)
            if head is None or head.is_empty:
                return redirect(links_of(request).key(namespace, key, "edit"))
            wrong, status, taken = InvalidError("there is such a key already"), 409, True
        except RainerError as e:
            wrong, status = e, status_of(e)
    return page(
        request, "new_key.html", status=status, namespace=namespace, space=space, name=key or "", wrong=wrong,
        taken=taken,
    )  # fmt: skip
