"""The rules in force: what the documents of namespace `rainer` say as of one state of the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rainer.errors import InvalidDocument, MalformedPayload, NamespaceNotFound, NotFoundError
from rainer.journal.reads import Reads
from rainer.journal.row import State
from rainer.model.names import SYSTEM_NAMESPACE
from rainer.model.policy import Target
from rainer.model.rules import KEY, SCHEMA_PREFIX, Rule, Rules, parse, schema_names

if TYPE_CHECKING:
    from rainer.validation.schemas import Schemas

_UNREADABLE: Final = Rule(Target("*", "", True), "the rules themselves")


@dataclass(frozen=True, slots=True)
class InForce:
    """Rules and schemas as of a state, whose tag says for how long they hold.

    `documents` are the payloads by key. `unreadable` says why the rules cannot be read, where somebody put such into
    the journal behind the server's back: then everything is refused that is not forced.
    """

    tag: str = ""
    revision: int = 0
    rules: Rules = field(default_factory=Rules)
    documents: Mapping[str, bytes] = field(default_factory=dict)
    unreadable: str = ""
    _schemas: Schemas | None = None

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to hold anything to."""
        return not self.rules.all

    @property
    def schemas(self) -> Schemas:
        """The schemas; loaded with their library when there first are any."""
        assert self._schemas is not None
        return self._schemas

    @property
    def has_schemas(self) -> bool:
        """Whether there is any schema, or a rule that asks for one."""
        return self._schemas is not None

    def overlaid(self, changes: Mapping[str, bytes | None]) -> InForce:
        """What would be in force with these documents; InvalidDocument, MalformedPayload where one cannot be read."""
        documents = {key: data for key, data in {**self.documents, **changes}.items() if data is not None}
        rules = parse(documents[KEY]) if KEY in documents else Rules()
        return InForce(self.tag, self.revision, rules, documents, "", _schemas(documents, rules, self._schemas))


def load(reads: Reads, before: InForce | None = None) -> InForce:
    """Read what is in force now; blocks. UnavailableError, PositionGone (a journal replaced meanwhile)."""
    pinned = reads.pin(None)
    documents = _documents(reads, pinned)
    rules, unreadable = Rules(), ""
    try:
        rules = parse(documents[KEY]) if KEY in documents else rules
    except (InvalidDocument, MalformedPayload) as e:
        rules, unreadable = Rules((_UNREADABLE,)), str(e)
    schemas = _schemas(documents, rules, None if before is None else before._schemas)
    return InForce(pinned.namespaces_tag, pinned.revision, rules, documents, unreadable, schemas)


def _schemas(documents: Mapping[str, bytes], rules: Rules, before: Schemas | None) -> Schemas | None:
    payloads = {key: data for key, data in documents.items() if key.startswith(SCHEMA_PREFIX)}
    if not payloads and not schema_names(rules.all):
        return None
    from rainer.validation.schemas import Schemas

    return Schemas.of(payloads, before)


def _documents(reads: Reads, pinned: State) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        _, row = reads.commit(SYSTEM_NAMESPACE, KEY, None, pinned.revision, True)
        if row.payload is not None:
            found[KEY] = bytes(row.payload)
    except NamespaceNotFound:
        return found
    except NotFoundError:
        pass
    after: str | None = None
    while True:
        portion = reads.heads_portion(SYSTEM_NAMESPACE, pinned, prefix=SCHEMA_PREFIX, after=after, payloads=True)
        found |= {one.key: bytes(one.payload) for one in portion.rows if one.payload is not None}
        after = portion.next_after
        if after is None:
            return found
