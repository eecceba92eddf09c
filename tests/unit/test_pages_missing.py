"""A server whose pages cannot be made says so at its start; one whose pages nobody opens does without them."""

from __future__ import annotations

import pytest

from rainer.api import app, create_app
from rainer.errors import MissingExtra
from rainer.journal import Journal
from rainer.service import PagesOptions, ServiceOptions


def test_a_library_that_is_missing_is_named_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    found = app.find_spec
    monkeypatch.setattr(app, "find_spec", lambda name: None if name == "jinja2" else found(name))
    with Journal("memory:") as journal:
        with pytest.raises(MissingExtra, match=r"needs jinja2, which is not installed \(or --no-pages\): pip install"):
            create_app(journal, ServiceOptions(pages=PagesOptions()))
        create_app(journal, ServiceOptions())
