"""From a template to an answer: one Jinja environment, one policy for what a page may load, one set of headers."""

from __future__ import annotations

import time
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from rainer.api.asking import IDENTITY
from rainer.api.needs import asker_of
from rainer.api.pages import showing, standing
from rainer.api.pages.cookies import form_token_of, keep_seed
from rainer.api.pages.links import Links
from rainer.api.pages.static_files import static_files
from rainer.api.pages.trouble import trouble_of
from rainer.api.pages.waiting import waiting_of
from rainer.errors import RainerError
from rainer.model import times
from rainer.model.identity import ANONYMOUS, Identity

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Vary": "Cookie, Accept",
}
THEMES: Final = ("light", "dark")
_THEME_COOKIE: Final = "rainer_theme"


@cache
def environment() -> Environment:
    """The one environment; everything is escaped unless it is Markup."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    made.filters |= {
        "visible": showing.visible, "plain": showing.plain, "marked": showing.marked, "size": showing.size,
        "number": showing.number, "ago": showing.ago, "exact": showing.exact_time, "first_line": showing.first_line,
        "iso": times.format_iso, "shortened": showing.shortened, "shell": showing.shell_word,
    }  # fmt: skip
    return made


def links_of(request: Request) -> Links:
    """Addresses as this request must be told them."""
    return Links(request.scope.get("root_path", ""), static_files()[1])


def is_part(request: Request) -> bool:
    """Whether a script asks for what has changed of a page, and not for the page around it."""
    return request.query_params.get("part") == "1"


def page(request: Request, template: str, *, status: int = 200, **context: Any) -> Response:
    """A page, or of one that a script asks for again only its block `live`, with how long the server took for it."""
    found = environment().get_template(template)
    who: Identity = request.scope.get(IDENTITY, ANONYMOUS)
    everything = {
        "url": links_of(request), "theme": _theme(request), "who": who, "current": "", "namespace": None,
        "key": None, "form_token": form_token_of(request), "is_open": who.is_open,
        "path": str(request.scope["rainer_asked"]), "waiting": waiting_of(request.scope),
        "live_since": standing.noted(request.scope), "trouble": trouble_of(request), "now_ms": times.now_ms(),
        "may": partial(_may, request),
    } | context  # fmt: skip
    if is_part(request) and "live" in found.blocks:
        text = "".join(found.blocks["live"](found.new_context(everything)))
    else:
        text = found.render(everything)
    answer = Response(text, status, HEADERS, "text/html")
    answer.headers["Server-Timing"] = f"page;dur={1000 * (time.perf_counter() - _begun(request)):.1f}"
    if everything["live_since"] is not None:
        answer.headers[standing.HEADER] = str(everything["live_since"])
    keep_seed(request.scope, answer.raw_headers)
    return answer


def _may(request: Request, permission: str, namespace: str, key: str | None = None) -> bool:
    """Whether who asks may do that on a key, or on some key of a namespace, for what a page offers.

    What is offered is judged again when it is done.
    """
    try:
        asker = asker_of(request)
        return asker.rights.may_some(permission, namespace) if key is None else asker.may(permission, namespace, key)
    except RainerError:
        return False


def redirect(address: str) -> Response:
    """On to another page of ours, with GET."""
    return Response(status_code=303, headers=HEADERS | {"Location": address})


def _theme(request: Request) -> str:
    found = request.cookies.get(_THEME_COOKIE, "")
    return found if found in THEMES else ""


def _begun(request: Request) -> float:
    begun: float = request.scope["rainer_begun"]
    return begun
