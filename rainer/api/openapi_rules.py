"""The description of the calls about rules of validation, and of what they add to commits."""

from __future__ import annotations

from typing import Final

from rainer.api.openapi_parts import FLAG, TEXT, Json, answer, errors, header, json, object_of, operation, query, ref

FORCE: Final = header("X-Rainer-Force", "yes sets rules of validation aside; needs a comment, and marks it", FLAG)
DRY_RUN: Final = query("dry_run", FLAG, "yes only says what would happen")


def paths() -> Json:
    """The calls by path."""
    check = query("check", FLAG, "also the heads that break a rule; needs admin on everything")
    answered = answer("those in force", json(ref("Rules"))) | errors(400, 403, 500, 503)
    return {"/-/rules": {"get": operation("Read the rules of validation", [check], answered)}}


def schemas() -> Json:
    """What they are made of."""
    integer: Json = {"type": "integer"}
    maybe: Json = {"type": ["integer", "null"]}
    rule = object_of(["rule", "number", "line"], rule=TEXT, number=integer, line=integer)
    broken = object_of(
        ["namespace", "key", "version", "rule", "message"],
        namespace=TEXT, key=TEXT, version=integer, rule=TEXT, message=TEXT, pointer={"type": ["string", "null"]},
        line=maybe, column=maybe,
    )  # fmt: skip
    return {
        "Rules": object_of(
            ["revision", "rules", "unreadable"], revision=integer, rules={"type": "array", "items": rule},
            unreadable=TEXT, broken={"type": "array", "items": broken}, more={"type": "boolean"},
        )
    }  # fmt: skip
