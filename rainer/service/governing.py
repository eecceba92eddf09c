"""Whom a server obeys: the policy in force, who may what by it, and what may become of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from rainer.access import Access
from rainer.access.lockout import check_policy, check_revocation
from rainer.access.permissions import Permissions
from rainer.access.policy_watch import PolicyWatch
from rainer.errors import InvalidDocument, InvalidError
from rainer.journal import LiveJournal
from rainer.model import names, policy_document, rules
from rainer.model.commit import Draft
from rainer.model.policy import Policy
from rainer.model.setting_values import nearest
from rainer.service.publishing import PublishOptions

_DOCUMENTS: Final = (policy_document.KEY, rules.KEY)


def _check_name(key: str) -> None:
    """A document that the server does not know would be obeyed by nobody, and look as if it were."""
    if key in _DOCUMENTS or (key.startswith(rules.SCHEMA_PREFIX) and key != rules.SCHEMA_PREFIX):
        return
    match = nearest(key, _DOCUMENTS)
    known = f"they are {', '.join(_DOCUMENTS)} and {rules.SCHEMA_PREFIX}NAME"
    raise InvalidError(
        f"the server obeys no document {names.shorten(key)}", hint=f"did you mean {match}?" if match else known
    )


@dataclass(slots=True)
class Governing:
    """Belongs to the service's event loop. Where nobody is asked who he is, nothing is followed and all is allowed."""

    access: Access
    publishing: PublishOptions | None = None
    permissions: Permissions = field(init=False)
    watch: PolicyWatch = field(default_factory=PolicyWatch)
    _live: LiveJournal | None = None

    def __post_init__(self) -> None:
        self.permissions = Permissions(self.access.is_open, lambda: self.watch.policy, self.access.identify_again)

    async def start(self, live: LiveJournal) -> None:
        """Read the policy, and follow it."""
        self._live = live
        if not self.access.is_open:
            await self.watch.start(live)

    async def close(self) -> None:
        """Follow nothing any more."""
        await self.watch.close()

    async def check(self, d: Draft) -> None:
        """Hold a draft in namespace `rainer` to what the server can obey: InvalidDocument.

        Nothing lets it pass, no permission and no force: a policy must be one, and leave somebody who can change it.
        """
        if d.payload is not None:
            _check_name(d.key)
        if d.key != policy_document.KEY:
            return
        policy = Policy() if d.payload is None else policy_document.parse(d.payload)
        if policy.zookeeper and self.publishing is not None and not self.publishing.is_somebody:
            raise InvalidDocument(
                "this server speaks to ZooKeeper as nobody, so that it would keep itself out, too",
                hint="start it with --zookeeper-user and --zookeeper-password",
                pointer="/zookeeper", line=1, column=1,
            )  # fmt: skip
        assert self._live is not None
        tokens = await self._live.in_thread(self.access.tokens.list) if not self.access.is_open else ()
        check_policy(policy, self.access.options, tokens)

    async def check_revocation(self, token_id: str) -> None:
        """DeniedError for the last token by which somebody can change the policy."""
        assert self._live is not None
        tokens = await self._live.in_thread(self.access.tokens.list)
        check_revocation(self.permissions.policy, self.access.options, tokens, token_id)
