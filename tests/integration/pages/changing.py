"""A server in this process whose keys tests change on its pages, and its forms without a browser."""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import Iterator
from typing import Any

import requests

from rainer.api.app import create_app
from rainer.journal import Journal
from rainer.model.commit import Commit
from rainer.service import PagesOptions, ServiceOptions
from tests.integration.hosted import hosted
from tests.integration.pages.deciding import form_token

LINES = b"one\ntwo\nthree\nfour\nfive\nsix\n"
RULES = b"rules:\n  - {on: 'ruled/small*', size_change_max: 3x}\n  - {on: 'ruled/shape*', schema: shape}\n"
RULES += b"  - {on: 'ruled/asked*', hook: 'http://127.0.0.1:9/'}\n"
SHAPE = b'{"type": "object", "properties": {"port": {"type": "integer"}}}'


class Desk:
    """Keys to change: each test takes one of its own."""

    def __init__(self, url: str, journal: Journal) -> None:
        self.url, self.journal = url, journal
        self._keys = 0

    def key(self, payload: bytes | None = LINES, ending: str = "txt", namespace: str = "diary") -> str:
        """A new key, whose first version somebody else has committed."""
        self._keys += 1
        key = f"key-{self._keys}.{ending}"
        if payload is not None:
            self.commit(key, payload, 1, namespace=namespace)
        return key

    def commit(self, key: str, payload: bytes | None, version: int, author: str = "ada", **more: Any) -> None:
        """What somebody else commits."""
        self.journal.append(key, payload, version=version, author=author, comment="Theirs", **more)

    def head(self, key: str, namespace: str = "diary") -> Commit:
        """What the journal holds."""
        return self.journal.get(key, namespace=namespace)

    def path(self, key: str, page: str = "edit", namespace: str = "diary") -> str:
        """The address of a key's page."""
        return f"/-/ui/{namespace}/{key}/{page}"


class Visitor:
    """Somebody whose browser has no scripts, reduced to what it sends."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.session = requests.Session()

    def get(self, path: str) -> requests.Response:
        """A page."""
        return self.session.get(self.desk.url + path, timeout=20)

    def post(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> requests.Response:
        """A form as a browser sends it: lines end with CR LF."""
        form = {"form_token": self.token(), "base": "1", "author": "grace", "comment": "Mine", "step": "commit"}
        sent = {name: value.replace("\n", "\r\n") for name, value in (form | fields).items()}
        return self.session.post(
            self.desk.url + path, sent, headers=headers, timeout=20, allow_redirects=False
        )  # fmt: skip

    def token(self) -> str:
        """What forms of this session carry."""
        return form_token(self.get("/-/ui/diary/any/edit").text)


def text_of(page: requests.Response) -> str:
    """What stands in the text field of a page."""
    found = re.search(r"<textarea id=\"text\"[^>]*>\n(.*?)</textarea>", page.text, re.DOTALL)
    assert found is not None, page.text[:3000]
    return html.unescape(found[1])


def hidden(page: requests.Response, name: str) -> str:
    """What a page's form carries unseen."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page.text)
    assert found is not None, f"no {name}"
    return html.unescape(found[1])


def alert(page: requests.Response) -> str:
    """What a page says is wrong."""
    found = re.search(r'role="alert">\s*(.*?)</(?:div|section|span)>', page.text, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>|\s+", " ", found[1])).strip() if found else ""


@contextlib.contextmanager
def desk() -> Iterator[Desk]:
    """The server: nobody signs in."""
    with Journal("memory:") as journal, hosted(create_app(journal, ServiceOptions(pages=PagesOptions()))) as url:
        journal.create_namespace("json", format="json")
        journal.create_namespace("ruled", format="any")
        journal.create_namespace("rainer", format="yaml")
        journal.append("schema.shape", SHAPE, version=1, author="root", namespace="rainer")
        journal.append("rules", RULES, version=1, author="root", namespace="rainer")
        made = Desk(url, journal)
        _warm_up(made)
        yield made


def _warm_up(made: Desk) -> None:
    """Have the server start its threads, which are no test's."""
    visitor = Visitor(made)
    requests.get(f"{made.url}/-/changes?since=0", timeout=20)
    requests.get(f"{made.url}/-/mirrors", timeout=20)
    visitor.get("/-/ui")
    visitor.post("/-/ui/ruled/shape-0/check", base="0", text='{"port": 1}\n' + " " * 20_000)
    visitor.post("/-/ui/diary/any/edit", base="0", text="first\n")
    visitor.session.close()
