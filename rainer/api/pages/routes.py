"""The pages: one table, held like the API's, to what each needs."""

from __future__ import annotations

from typing import Final

from rainer.api import needs
from rainer.api.pages import find, history, read, signing_in, static_files
from rainer.api.routing import Table

TABLE: Final[Table] = (
    ("GET", "/-/ui", find.show_home, needs.SEE),
    ("GET", "/-/ui/-/static/{hash}/{name}", static_files.read_static, needs.OPEN),
    ("GET", "/-/ui/-/sign-in", signing_in.show_sign_in, needs.OPEN),
    ("POST", "/-/ui/-/sign-in", signing_in.sign_in, needs.OPEN),
    ("POST", "/-/ui/-/sign-out", signing_in.sign_out, needs.OPEN),
    ("GET", "/-/ui/{namespace}", find.show_namespace, needs.READ_SOME),
    ("GET", "/-/ui/{namespace}/{key}", read.show_key, needs.READ_KEY),
    ("GET", "/-/ui/{namespace}/{key}/download", read.download, needs.READ_KEY),
    ("GET", "/-/ui/{namespace}/{key}/history", history.show_history, needs.READ_KEY),
    ("GET", "/-/ui/{namespace}/{key}/diff", history.show_history, needs.READ_KEY),
    ("GET", "/-/ui/{namespace}/{key}/blame", history.show_blame, needs.READ_KEY),
)
