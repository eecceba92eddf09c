"""The HTTP side: the ancestor's calls, ours beside them, and an ASGI app to mount."""

from rainer.api.app import create_app

__all__ = ["create_app"]
