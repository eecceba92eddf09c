"""What somebody is told of how things stand: on the page of the status, and in a word on every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from rainer.access.permissions import Asker
from rainer.api.asking import IDENTITY
from rainer.api.explaining import visible_tree
from rainer.api.needs import asker_of
from rainer.api.pages.verdict import Standing, Verdict, judged, verdicts
from rainer.api.reading import service_of
from rainer.api.reports import seen_by
from rainer.errors import RainerError
from rainer.service.watching import Seen


@dataclass(frozen=True, slots=True)
class Told:
    """Trees and mirrors, the worst first, and what is to be said of all."""

    trees: Sequence[Mapping[str, Any]]
    mirrors: Sequence[Standing]
    verdicts: Sequence[Verdict]


def told_to(asker: Asker, seen: Seen) -> Told:
    """What somebody may hear: nothing of namespaces that he sees nothing of, nor of keys that he may not read.

    It is made once for everybody who asks before the server looks again, unless what he may changes.
    """
    found: Told | None
    rights, found = seen.memory.get(asker.identity, (None, None))
    if found is None or rights is not asker.rights:
        sees = asker.rights.sees
        trees = [visible_tree(dict(one), asker) for one in seen.trees if sees(one["namespace"])]
        mirrors = judged([seen_by(asker, one) for one in seen.mirrors if sees(one.report.namespace)])
        found = Told(trees, mirrors, verdicts(seen, trees, mirrors))
        seen.memory[asker.identity] = asker.rights, found
    return found


def trouble_of(request: Request) -> str:
    """What is wrong, as far as the server knows without looking, in a sentence; empty when all is well."""
    if IDENTITY not in request.scope:
        return ""
    try:
        seen, asker = service_of(request).watching.last, asker_of(request)
        if not seen.at_ms or not asker.rights.may_anything:
            return ""
        worst = told_to(asker, seen).verdicts[0]
    except RainerError:  # the policy is not known: the page itself says so
        return ""
    return "" if worst.level == "good" else worst.words
