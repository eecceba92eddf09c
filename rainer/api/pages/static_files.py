"""Styles and scripts: read once, served under the hash of them all, so that a browser may keep them for ever."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from rainer.errors import NotFoundError

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@cache
def static_files() -> tuple[dict[str, bytes], str]:
    """The files by name, and the hash that stands for all."""
    files = {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}
    every = sha256()
    for name, content in files.items():
        every.update(f"{name}\0{len(content)}\0".encode() + content)
    return files, every.hexdigest()[:16]


async def read_static(request: Request) -> Response:
    """`GET /-/ui/-/static/{hash}/{name}`: another hash is that of another release, and must not be kept."""
    files, found = static_files()
    name = request.path_params["name"]
    if name not in files:
        raise NotFoundError("there is no such file")
    keep = "public, max-age=31536000, immutable" if request.path_params["hash"] == found else "no-store"
    return Response(files[name], headers={"Cache-Control": keep}, media_type=_TYPES[Path(name).suffix])
