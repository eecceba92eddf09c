"""That somebody can always change the policy: no commit and no revocation takes the last way in away."""

from __future__ import annotations

from collections.abc import Iterable

from rainer.access.options import AccessOptions
from rainer.access.tokens import Token
from rainer.errors import DeniedError, InvalidDocument
from rainer.model import times
from rainer.model.identity import Identity, is_named
from rainer.model.policy import ANYBODY, SIGNED_IN, Policy


def has_admin(policy: Policy, options: AccessOptions, tokens: Iterable[Token]) -> bool:
    """Whether anybody with `admin` on everything can sign in.

    By the bootstrap token; by a live token of that name; or, where others than we prove names (an issuer,
    certificates), by any name that is written out: whether anybody bears a name that fits a glob we cannot know.
    """
    if options.bootstrap_token is not None:
        return True
    now_ms = times.now_ms()
    live = [Identity(token.name, "token") for token in tokens if token.is_live(now_ms)]
    return any(_can_sign_in(name, options, live) for name in policy.admins())


def _can_sign_in(name: str, options: AccessOptions, live: list[Identity]) -> bool:
    if name == ANYBODY:
        return True
    if name == SIGNED_IN:
        return bool(live) or options.is_proved_elsewhere
    return any(is_named(name, identity) for identity in live) or (options.is_proved_elsewhere and "*" not in name)


def check_policy(policy: Policy, options: AccessOptions, tokens: Iterable[Token]) -> None:
    """InvalidDocument for a policy under which nobody could change it any more."""
    if not options.is_on:
        if policy.admins():
            return
        why = "nobody may admin '*'"
    elif has_admin(policy, options, tokens):
        return
    else:
        why = f"nobody who may admin '*' can sign in: {', '.join(sorted(policy.admins())) or 'no grant gives it'}"
    raise InvalidDocument(
        f"{why}; this policy could not be changed any more",
        hint="grant admin on '*' to a name that has a token, such as your own",
        pointer="/grants", line=1, column=1,
    )  # fmt: skip


def check_revocation(policy: Policy, options: AccessOptions, tokens: list[Token], token_id: str) -> None:
    """DeniedError where a token is the last one by which somebody who may admin everything can sign in."""
    others = [token for token in tokens if token.id != token_id]
    if has_admin(policy, options, tokens) and not has_admin(policy, options, others):
        raise DeniedError(
            f"token {token_id} is the last by which anybody who may admin '*' can sign in",
            hint="make another one first: `rainer token create`",
        )
