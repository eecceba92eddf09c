"""Whom a server obeys: the policy in force, who may what by it, and what may become of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from rainer.access import Access
from rainer.access.lockout import check_policy, check_revocation
from rainer.access.permissions import Permissions
from rainer.access.policy_watch import PolicyWatch
from rainer.errors import InvalidDocument
from rainer.journal import LiveJournal
from rainer.model import policy_document
from rainer.model.commit import Draft
from rainer.model.policy import Policy
from rainer.service.publishing import PublishOptions


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
