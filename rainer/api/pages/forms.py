"""Forms that were sent to us: read, and proved to come from a page of ours and not from somebody else's."""

from __future__ import annotations

import hmac
from urllib.parse import parse_qsl

from starlette.requests import Request

from rainer.api import asking
from rainer.api.pages.cookies import form_token_of
from rainer.api.reading import service_of
from rainer.errors import DeniedError, InvalidError

FORM_TOKEN = "form_token"
FIELDS = "rainer_form_fields"
"""The member of a scope that has the fields of its form once they are read, None while they are not."""
_FIELDS_MAX = 1_000
_LITTLE_BYTES = 64_000


class StaleForm(DeniedError):
    """A form whose page was made for another session: before somebody signed in anew, or the server began anew."""


async def read_form(request: Request, bytes_max: int) -> dict[str, str]:
    """The fields of a form, the last of each name; line ends in them are `\\n`, as people meant.

    Raises DeniedError for a form that another site has sent, or a page that was made for another session.
    """
    found = await read_fields(request, bytes_max)
    if not hmac.compare_digest(found.get(FORM_TOKEN, "").encode(), form_token_of(request).encode()):
        raise StaleForm("the form is not of this session", hint="load the page again, and send it once more")
    return found


async def read_fields(request: Request, bytes_max: int) -> dict[str, str]:
    """The same of a form that any page of ours has sent, whatever session it was made for: to be shown, not obeyed."""
    request.scope[FIELDS] = None
    check_site(request)
    what = "this form"
    asking.check_length(request.scope["headers"], bytes_max, what)
    service = service_of(request)
    body = await asking.read_body(request.receive, bytes_max, what, service.body_timeout_s)
    try:
        found = _parse(body) if len(body) <= _LITTLE_BYTES else await service.live.in_thread(_parse, body)
    except (UnicodeDecodeError, ValueError):
        raise InvalidError("the form cannot be read", hint="send it as application/x-www-form-urlencoded") from None
    request.scope[FIELDS] = found
    return found


def _parse(body: bytes) -> dict[str, str]:
    fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS_MAX)
    return {name: value.replace("\r\n", "\n") for name, value in fields}


def check_site(request: Request) -> None:
    """Refuse what a browser says another site has sent; who is no browser says nothing, and has no cookie either."""
    service_of(request).options.hosts.check(request.scope)
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise DeniedError("the form was sent by another site", hint="open the page here, and send it from there")
