"""The policy of what a mirror server follows, as its mirror of namespace `rainer` holds it."""

from __future__ import annotations

import logging

from rainer.errors import RainerError
from rainer.model.commit import Commit
from rainer.model.policy import Policy
from rainer.model.policy_document import KEY, parse
from rainer.service.mirrored import Mirrored

log = logging.getLogger("rainer.access")


class MirroredPolicy:
    """For the server's event loop. It is as old as its mirror: while nothing answers, the last one stays in force."""

    def __init__(self, mirrored: Mirrored) -> None:
        self._mirrored = mirrored
        self._commit: Commit | None = None
        self._policy = Policy()

    def in_force(self) -> Policy:
        """The policy; one that grants nothing where there is none. UnavailableError before it is loaded."""
        self._mirrored.check_loaded()
        commit = self._mirrored.mirror.get(KEY)
        if commit is not self._commit:
            self._commit = commit
            self._policy = self._read(commit)
        return self._policy

    def _read(self, commit: Commit | None) -> Policy:
        if commit is None or commit.payload is None:
            log.warning("no policy is to be read in namespace rainer of what is mirrored: nothing is allowed here")
            return Policy()
        try:
            policy = parse(commit.payload)
        except RainerError as e:
            log.error("version %d of the policy cannot be read, the one before stays in force: %s", commit.version, e)
            return self._policy
        log.info("version %d of the policy is in force: %d grants", commit.version, len(policy.grants))
        return policy
