"""The HTTP side: the ancestor's calls, ours beside them, and an ASGI app to mount."""

from rainer.errors import missing_extra

try:
    from rainer.api.app import create_app
except ModuleNotFoundError as e:
    if (e.name or "").split(".")[0] == "rainer":
        raise
    raise missing_extra(f"the server needs {e.name}, which is not installed") from e

__all__ = ["create_app"]
