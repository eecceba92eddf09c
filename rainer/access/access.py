"""Who asks: from the credential in a request to an identity, remembered for moments so that asking costs no query."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy.engine import Engine

from rainer.access.credentials import (
    CERTIFICATE,
    CREDENTIAL,
    Unreadable,
    bearer_of,
    hide_token_path,
    may_have_token_path,
    network_of,
    peer_of,
    plain_bearer_of,
)
from rainer.access.keys import NoKey
from rainer.access.oidc import Refused, Verifier
from rainer.access.options import AccessOptions
from rainer.access.rates import Rates
from rainer.access.refusing import RefusalLog
from rainer.access.tokens import Token, TokenTable, digest_of, id_of
from rainer.errors import RainerError, UnauthenticatedError, UnavailableError
from rainer.model import names, times
from rainer.model.identity import ANONYMOUS, BOOTSTRAP, OPEN, Identity, check_identity_name, is_token

log = logging.getLogger("rainer.access")

TOKEN_S: Final = 2.0
"""So long a token is taken to be what it was: within it, a revocation is known everywhere."""
JWT_S: Final = 60.0
_USE_MS: Final = 60_000
_REMEMBERED_MAX: Final = 20_000

InThread = Callable[..., Awaitable[Any]]


class Known(NamedTuple):
    """What a credential was found to prove, and until when that counts, in monotonic seconds."""

    identity: Identity | None
    """None: it proves nothing."""
    until_s: float
    token_id: str = ""
    keys: int = 0


class Access:
    """Belongs to the event loop that serves; `tokens` is for any thread. Off, everybody is OPEN."""

    def __init__(self, engine: Engine | None, options: AccessOptions) -> None:
        self.options = options
        self.is_open = not options.is_on
        self.tokens = TokenTable(engine)
        self.rates = Rates(options.rate_per_s, options.rate_burst, options.rates_file)
        self._bootstrap = digest_of(options.bootstrap_token) if options.bootstrap_token else b""
        self._verifier = Verifier(options.oidc) if options.oidc is not None else None
        self._known: dict[bytes, Known] = {}
        self._asking: dict[bytes, asyncio.Task[Known]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._revocations = 0
        # An issuer that hangs keeps nobody but those waiting who need its keys.
        self._fetching = ThreadPoolExecutor(1, "rainer-keys")
        self._in_thread: InThread = asyncio.to_thread
        self._refusals = RefusalLog()

    def start(self, in_thread: InThread) -> None:
        """Begin on the running loop; `in_thread` runs what asks the database beside it."""
        self._in_thread = in_thread

    async def close(self) -> None:
        """End what is under way."""
        for task in (*self._tasks, *self._asking.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._asking.values(), return_exceptions=True)
        self._fetching.shutdown(wait=False, cancel_futures=True)

    def identify_at_once(self, scope: Any) -> Identity | None:
        """As `identify` where that would neither wait nor refuse: a token in its header, and remembered.

        None for all else, and then nothing is done. RateLimited. Most requests end here.
        """
        if self.is_open:
            return OPEN
        credential = None if may_have_token_path(scope) else plain_bearer_of(scope["headers"])
        if credential is None:
            return None
        known = self._remembered(hashlib.sha256(credential).digest())
        if known is None or known.identity is None:
            return None
        scope[CREDENTIAL] = credential
        if self.rates.per_s:
            self.rates.take(known.identity.name)
        return known.identity

    async def identify(self, scope: Any) -> Identity:
        """Who makes this request; waits only for a credential that is not remembered.

        A token in the path is taken out of the scope, and replaced by `***`. UnauthenticatedError, for every reason in
        the same words; RateLimited; UnavailableError where the database or the issuer is needed, and away.
        """
        if self.is_open:
            return OPEN
        credential = scope[CREDENTIAL] = self._credential(scope)
        if credential is None:
            identity = self._certified(scope)
        else:
            digest = hashlib.sha256(credential).digest()
            known = self._remembered(digest)
            if known is None:
                if not self._was_known(digest):
                    self.rates.take(f"unknown from {network_of(scope)}")
                known = await self._ask(credential, digest, peer_of(scope))
            if known.identity is None:
                raise self._refuse(scope, "")
            identity = known.identity
        if self.rates.per_s:
            self.rates.take(identity.name if identity is not ANONYMOUS else f"anonymous from {network_of(scope)}")
        return identity

    async def identify_again(self, scope: Any) -> Identity:
        """Who makes a request that was identified and goes on, such as a feed; it counts for no limit.

        Raises UnauthenticatedError once its credential is revoked or expired, and UnavailableError.
        """
        if self.is_open:
            return OPEN
        credential = scope[CREDENTIAL]
        if credential is None:
            return self._certified(scope)
        digest = hashlib.sha256(credential).digest()
        known = self._remembered(digest) or await self._ask(credential, digest, peer_of(scope))
        if known.identity is None:
            raise self._refuse(scope, "")
        return known.identity

    def revoke(self, token_id: str) -> Token:
        """Revoke a token, here at once and elsewhere within two seconds; for any thread. NotFoundError."""
        revoked = self.tokens.revoke(token_id)
        self._revocations += 1
        for digest, known in list(self._known.items()):
            if known.token_id == token_id:
                self._known.pop(digest, None)
        return revoked

    # From a request to its credential

    def _credential(self, scope: Any) -> bytes | None:
        in_path = hide_token_path(scope, self.options.token_path)
        try:
            given = bearer_of(scope["headers"])
        except Unreadable as e:
            raise self._refuse(scope, str(e)) from None
        return given or (in_path if self.options.token_path else None)

    def _certified(self, scope: Any) -> Identity:
        name = scope.get(CERTIFICATE)
        if name is None:
            return ANONYMOUS
        try:
            return Identity(check_identity_name(name), "certificate")
        except RainerError as e:
            raise self._refuse(scope, f"certificate: {e}") from None

    # From a credential to what it proves

    def _remembered(self, digest: bytes) -> Known | None:
        known = self._known.get(digest)
        if known is None or known.until_s <= time.monotonic():
            return None
        if known.keys and self._verifier is not None and known.keys != self._verifier.keys.version:
            return None
        return known

    def _was_known(self, digest: bytes) -> bool:
        """Whether a credential proved somebody when it was looked up last: then looking again is no guess of his, and
        whoever guesses at the same address, behind a proxy, does not keep him out.
        """
        known = self._known.get(digest)
        return known is not None and known.identity is not None

    async def _ask(self, credential: bytes, digest: bytes, peer: str) -> Known:
        """What a credential proves; of many who ask at once one looks, and all wait for it."""
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.create_task(self._look(credential, digest, peer))
            task.add_done_callback(partial(self._asked, digest))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise UnavailableError("the server is shutting down", hint="try another server") from None
            raise

    def _asked(self, digest: bytes, task: asyncio.Task[Known]) -> None:
        self._asking.pop(digest, None)
        if not task.cancelled():
            task.exception()  # those who asked may all have gone since

    async def _look(self, credential: bytes, digest: bytes, peer: str) -> Known:
        revocations = self._revocations
        try:
            known = await self._prove(credential.decode("ascii"), digest)
        except (Refused, UnicodeDecodeError) as e:
            reason = str(e) if isinstance(e, Refused) else "it is not ASCII"
            self._refusals.note(f"{reason}, from {peer}")
            known = Known(None, time.monotonic() + TOKEN_S)
        except RainerError:
            raise
        except Exception as e:
            log.exception("a credential cannot be looked up")
            raise UnavailableError(
                f"who asks cannot be looked up: {type(e).__name__}", hint="the server's log has the details"
            ) from e
        if revocations == self._revocations:  # else it may be the one that was revoked meanwhile
            self._remember(digest, known)
        return known

    def _remember(self, digest: bytes, known: Known) -> None:
        if len(self._known) >= _REMEMBERED_MAX:
            now_s = time.monotonic()
            self._known = {d: k for d, k in self._known.items() if k.until_s > now_s}
            if len(self._known) >= _REMEMBERED_MAX:
                self._known.clear()
        self._known[digest] = known

    async def _prove(self, text: str, digest: bytes) -> Known:
        if self._bootstrap and hmac.compare_digest(self._bootstrap, digest):
            return Known(Identity(BOOTSTRAP, BOOTSTRAP), float("inf"))
        if is_token(text):
            return await self._prove_token(text, digest)
        if self._verifier is not None and text.count(".") == 2:
            return await self._prove_jwt(self._verifier, text)
        raise Refused("it has the form of nothing that proves an identity here")

    async def _prove_token(self, text: str, digest: bytes) -> Known:
        begun_s, now_ms = time.monotonic(), times.now_ms()
        token: Token | None = await self._in_thread(self.tokens.find, id_of(text))
        # Compared in either case, and in constant time, so that the time tells nothing of what is kept.
        is_same = hmac.compare_digest(token.sha256 if token is not None else bytes(32), digest)
        if token is None or not is_same:
            raise Refused(f"token {id_of(text)} is not known")
        if not token.is_live(now_ms):
            raise Refused(f"token {token.id} of {names.shorten(token.name)} is {token.state(now_ms)}")
        self._note_use(token, now_ms)
        left_s = TOKEN_S if token.expires_ms is None else min(TOKEN_S, (token.expires_ms - now_ms) / 1000)
        return Known(Identity(token.name, "token"), begun_s + left_s, token.id)

    def _note_use(self, token: Token, now_ms: int) -> None:
        if token.last_used_ms is None or now_ms - token.last_used_ms >= _USE_MS:
            self._beside(self._in_thread(self.tokens.note_use, token.id, now_ms))

    async def _prove_jwt(self, verifier: Verifier, text: str) -> Known:
        if verifier.keys.is_stale:
            self._beside(self._fetch(verifier))
        try:
            proof = verifier.check(text)
        except NoKey:
            await self._fetch(verifier, verifier.kid_of(text))
            try:
                proof = verifier.check(text)
            except NoKey as e:
                raise Refused(str(e)) from None
        left_s = min(JWT_S, proof.expires_s - time.time())
        return Known(proof.identity, time.monotonic() + left_s, keys=verifier.keys.version)

    async def _fetch(self, verifier: Verifier, kid: object = None) -> None:
        await asyncio.get_running_loop().run_in_executor(self._fetching, verifier.keys.fetch, kid)

    def _beside(self, work: Awaitable[Any]) -> None:
        """Have something done that nobody waits for, and that nobody misses where it fails."""

        async def done() -> None:
            try:
                await work
            except RainerError as e:
                log.debug("%s", e)

        task = asyncio.create_task(done())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refuse(self, scope: Any, reason: str) -> UnauthenticatedError:
        if reason:
            self._refusals.note(f"{reason}, from {peer_of(scope)}")
        return UnauthenticatedError(
            "the credentials prove no identity here", hint="ask for a token that is valid: `rainer token create`"
        )
