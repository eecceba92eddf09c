"""What a client asks about proposals: changesets that wait until others approve of them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from rainer.client.address import with_query
from rainer.client.answers import array_of, json_object
from rainer.client.asking import Caller
from rainer.client.changesets import body_of, drafts_of
from rainer.client.reading import Reader
from rainer.client.transport import Request
from rainer.model.commit import Draft

_JSON: dict[str, str | bytes] = {"Content-Type": "application/json"}
_PAGE = 100


class ProposalCalls(ABC):
    """The part of Client that is about proposals. A proposal is its JSON members (see /-/openapi.json)."""

    _caller: Caller
    _reader: Reader
    author: str | None

    @property
    @abstractmethod
    def namespace_name(self) -> str: ...

    @abstractmethod
    def own_name(self) -> str | None: ...

    def propose(
        self, drafts: Iterable[Draft | Mapping[str, Any]], *, author: str | None = None, comment: str = ""
    ) -> dict[str, Any]:
        """Propose a changeset, of drafts as commit_many() takes them; somebody else may then approve of it.

        It is bound to the heads of now: a draft's version is its head's plus one. Raises what commit_many() does for
        one that is refused, and DeniedError where identity is off. One whose answer is lost is not repeated:
        OutcomeUnknown, and proposals() tells.
        """
        author = author or self.author or self.own_name()
        made = drafts_of(drafts, namespace=self.namespace_name, author=author, comment=comment)
        return self._propose(body_of(made))

    def propose_json(self, changeset: bytes) -> dict[str, Any]:
        """Propose a changeset that is written in JSON already, as POST /-/changesets takes it."""
        return self._propose(changeset)

    def _propose(self, body: bytes) -> dict[str, Any]:
        request = Request("POST", "/-/proposals", _JSON, body)
        return json_object(self._caller.ask_once(request, self.namespace_name, "the proposal"))

    def proposals(self, *, state: str | None = None, namespace: str | None = None) -> Iterator[dict[str, Any]]:
        """The proposals that this client may read, the newest first, a page at a time.

        `state` is open, committed, rejected or stale; `namespace` leaves out those that do not touch it.
        """
        before: str | None = None
        while True:
            query = {"state": state, "namespace": namespace, "before": before, "limit": _PAGE}
            answer = self._reader.ask(with_query("/-/proposals", query), "the list of proposals")
            body = json_object(answer)
            yield from array_of(answer, body, "proposals")
            before = body.get("next")
            if not before:
                return

    def proposal(self, proposal_id: str) -> dict[str, Any]:
        """A proposal whole: its commits beside what they were made on, and the difference. Raises NotFoundError."""
        return json_object(self._reader.ask(_path(proposal_id), f"proposal {proposal_id!r}"))

    def approve(self, proposal_id: str, comment: str = "") -> dict[str, Any]:
        """Approve of somebody else's proposal, and commit it where that is enough: the proposal as it is then.

        May be repeated. Raises ProposalDecided (another was first), ProposalStale (what it was made on has moved),
        DeniedError (one's own, or no permission), and what commit_many() does where rules refuse it by now.
        """
        return self._decide(proposal_id, "approve", comment)

    def reject(self, proposal_id: str, comment: str) -> dict[str, Any]:
        """Reject a proposal, or take one's own back; the comment says why. Raises ProposalDecided, DeniedError."""
        return self._decide(proposal_id, "reject", comment)

    def _decide(self, proposal_id: str, how: str, comment: str) -> dict[str, Any]:
        request = Request("POST", f"{_path(proposal_id)}/{how}", _JSON, json.dumps({"comment": comment}).encode())
        return json_object(self._caller.ask(request, self.namespace_name, f"proposal {proposal_id!r}"))


def _path(proposal_id: str) -> str:
    return f"/-/proposals/{quote(proposal_id, safe='')}"
