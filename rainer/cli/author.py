"""Who makes a commit when nobody says so: git's user, else the login name."""

from __future__ import annotations

import subprocess

from rainer.errors import InvalidError
from rainer.model.names import check_author

_GIT_TIMEOUT_S = 5


def default_author() -> tuple[str, str]:
    """`git config user.email`, as git tells it in this folder, else the login name; and which of the two it is."""
    for author, origin in ((_git_email(), "git config user.email"), (_login_name(), "login name")):
        if author:
            return check_author(author), origin
    raise InvalidError("nobody knows who you are", hint="give --author NAME or set RAINER_AUTHOR")


def _git_email() -> str:
    try:
        done = subprocess.run(["git", "config", "user.email"], capture_output=True, timeout=_GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""


def _login_name() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
