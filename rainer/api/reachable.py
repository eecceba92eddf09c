"""Who can reach a server: no open one but on loopback."""

from __future__ import annotations

import ipaddress
import socket

from rainer.errors import InvalidError


def check_guarded(sock: socket.socket, is_guarded: bool, command: str) -> None:
    """InvalidError, with what to type instead, for a socket that others can reach where nobody is asked who he is."""
    address = sock.getsockname()[0]
    if is_guarded or ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return
    raise InvalidError(
        f"{command} on {address} with identity off: whoever reaches it could change everything in anybody's name",
        hint=_HINT.format(command=command, address=address),
    )


_HINT = """either listen on 127.0.0.1 only, or have everybody say who he is:
  export RAINER_BOOTSTRAP_TOKEN=$(openssl rand -hex 32)
  {command} --identity --host {address}
and, in another terminal that has this token, too, make one for yourself:
  RAINER_TOKEN=$RAINER_BOOTSTRAP_TOKEN rainer token create you@example.com"""
