"""JWTs of a real issuer: what proves an identity, what does not, and what becomes of it when keys change."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from rainer.access import OidcOptions, keys
from rainer.access.keys import NoKey
from rainer.access.oidc import Proof, Refused, Verifier
from rainer.errors import UnavailableError
from rainer.model.identity import Identity
from tests.services.issuer import Issuer, Key


@pytest.fixture(scope="module")
def own() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def issuer(own: Issuer, monkeypatch: pytest.MonkeyPatch) -> Issuer:
    monkeypatch.setattr(keys, "LEAST_S", 0.0)
    own.keys = own.keys[:1]
    own.asked = 0
    return own


def verifier_of(issuer: Issuer, **options: Any) -> Verifier:
    return Verifier(OidcOptions(issuer.url, "rainer", **options))


def prove(verifier: Verifier, text: str) -> Proof:
    """As a server does it: where the key is not known, the keys are fetched once."""
    try:
        return verifier.check(text)
    except NoKey:
        verifier.keys.fetch(verifier.kid_of(text))
        return verifier.check(text)


def test_a_good_jwt_proves_its_email_and_groups(issuer: Issuer) -> None:
    verifier = verifier_of(issuer)
    proof = prove(verifier, issuer.sign(groups=["ops", "dev", 7]))
    assert proof.identity == Identity("ada@example.com", "jwt", frozenset({"ops", "dev"}))
    assert 200 < proof.expires_s - time.time() < 400
    for _ in range(5):
        prove(verifier, issuer.sign())
    assert issuer.asked == 1


@pytest.mark.parametrize(
    ("claims", "options", "name"),
    [
        ({"email": None}, {}, "u-1"),
        ({"email_verified": False}, {}, "u-1"),
        ({"email_verified": "false"}, {}, "u-1"),
        ({"email_verified": True}, {}, "ada@example.com"),
        ({"preferred_username": "ada"}, {"name_claim": "preferred_username"}, "ada"),
        ({"email_verified": False}, {"name_claim": "email"}, "ada@example.com"),
    ],
)
def test_whose_name_it_proves(issuer: Issuer, claims: dict[str, Any], options: dict[str, Any], name: str) -> None:
    assert prove(verifier_of(issuer, **options), issuer.sign(**claims)).identity.name == name


def test_groups_may_have_another_name_and_be_one(issuer: Issuer) -> None:
    verifier = verifier_of(issuer, groups_claim="roles")
    assert prove(verifier, issuer.sign(roles="ops", groups=["x"])).identity.groups == {"ops"}
    assert prove(verifier, issuer.sign(roles={"a": 1})).identity.groups == frozenset()


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": None},
        {"iss": "http://127.0.0.1:1"},
        {"iss": None},
        {"exp": int(time.time()) - 31},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 3600},
        {"email": None, "sub": None},
        {"email": "anonymous"},
        {"email": "group:ops"},
        {"email": "*"},
        {"email": "bootstrap"},
    ],
)
def test_what_proves_nothing(issuer: Issuer, claims: dict[str, Any]) -> None:
    with pytest.raises(Refused) as e:
        prove(verifier_of(issuer), issuer.sign(**claims))
    assert "eyJ" not in str(e.value)


def test_clocks_may_differ_by_half_a_minute(issuer: Issuer) -> None:
    now = int(time.time())
    prove(verifier_of(issuer), issuer.sign(exp=now - 20))
    prove(verifier_of(issuer), issuer.sign(nbf=now + 20))


def test_only_the_issuers_signature_counts(issuer: Issuer) -> None:
    stranger = Key("first", "ES256")  # of the same id
    with pytest.raises(Refused, match="Signature"):
        prove(verifier_of(issuer), issuer.sign(key=stranger))
    good = issuer.sign()
    head, body, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    other = _coded(claims | {"email": "root@example.com"})
    with pytest.raises(Refused, match="Signature"):
        prove(verifier_of(issuer), f"{head}.{other}.{signature}")
    for broken in ("a.b.c", f"{head}.{body}.", f"{head}.{body}", "..", f"{head}.{body}.{signature}x.y"):
        with pytest.raises((Refused, jwt.PyJWTError)):
            prove(verifier_of(issuer), broken)


def test_no_signature_and_shared_secrets_are_not_taken(issuer: Issuer) -> None:
    verifier = verifier_of(issuer)
    prove(verifier, issuer.sign())
    unsigned = jwt.encode(issuer.claims(), None, "none", headers={"kid": "first"})
    with pytest.raises(Refused, match="not allowed"):
        verifier.check(unsigned)
    # The classic: the public key, which everybody knows, taken for a shared secret.
    public = json.dumps(issuer.keys[0].member).encode()
    signed = ".".join(_coded(part) for part in ({"alg": "HS256", "kid": "first"}, issuer.claims()))
    signature = hmac.digest(public, signed.encode(), "sha256")
    with pytest.raises(Refused, match="not allowed"):
        verifier.check(f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}")


def _coded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_an_issuers_shared_secret_is_no_key(issuer: Issuer) -> None:
    secret = base64.urlsafe_b64encode(b"s" * 32).rstrip(b"=").decode()
    issuer.keys[0].member, kept = {"kty": "oct", "k": secret, "kid": "first", "alg": "HS256"}, issuer.keys[0].member
    try:
        with pytest.raises(Refused):
            prove(verifier_of(issuer), jwt.encode(issuer.claims(), b"s" * 32, "HS256", headers={"kid": "first"}))
        with pytest.raises(Refused):
            prove(verifier_of(issuer), issuer.sign())
    finally:
        issuer.keys[0].member = kept


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
def test_other_kinds_of_keys(issuer: Issuer, algorithm: str) -> None:
    issuer.keys.append(Key("second", algorithm))
    verifier = verifier_of(issuer)
    prove(verifier, issuer.sign())
    prove(verifier, issuer.sign(kid=None))
    with pytest.raises(Refused):
        verifier.check(issuer.sign(key=Key("x", "ES256"), kid=None))


def test_a_key_that_names_no_algorithm_is_for_those_of_its_kind(issuer: Issuer) -> None:
    issuer.keys.append(Key("second", "RS256"))
    del issuer.keys[1].member["alg"]
    verifier = verifier_of(issuer)
    text = jwt.encode(issuer.claims(), issuer.keys[1].private, "PS512", headers={"kid": "second"})
    assert prove(verifier, text).identity.name == "ada@example.com"


def test_keys_that_changed_are_fetched_and_old_ones_forgotten(issuer: Issuer) -> None:
    verifier = verifier_of(issuer)
    old = issuer.sign()
    first, kept = issuer.keys[0], prove(verifier, old)
    before = verifier.keys.version
    issuer.rotate("second")
    try:
        assert prove(verifier, issuer.sign()) == kept
        assert verifier.keys.version != before
        with pytest.raises(NoKey):
            prove(verifier, old)
    finally:
        issuer.keys = [first]


def test_a_key_that_is_nobodys_is_asked_for_now_and_then_only(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "LEAST_S", 3600.0)
    verifier = verifier_of(issuer)
    prove(verifier, issuer.sign())
    for number in range(5):
        with pytest.raises(NoKey):
            prove(verifier, issuer.sign(kid=f"nobody's {number}"))
    assert issuer.asked == 1


def test_while_the_issuer_is_away_its_keys_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "LEAST_S", 0.0)
    with Issuer() as issuer:
        verifier = verifier_of(issuer)
        text = issuer.sign()
        issuer.stop()
        with pytest.raises(UnavailableError, match="cannot be asked"):
            prove(verifier, text)
        issuer.start()
        prove(verifier, text)
        issuer.stop()
        monkeypatch.setattr(keys, "FRESH_S", 0.0)
        assert verifier.keys.is_stale
        verifier.keys.fetch()
        assert verifier.check(text).identity.name == "ada@example.com"


def test_a_document_of_somebody_else_is_not_believed(issuer: Issuer) -> None:
    other = Verifier(OidcOptions(issuer.url.replace("127.0.0.1", "localhost"), "rainer"))
    with pytest.raises(UnavailableError):
        prove(other, issuer.sign())
    named = Verifier(OidcOptions("https://elsewhere", "rainer", jwks_url=f"{issuer.url}/keys"))
    assert prove(named, issuer.sign(iss="https://elsewhere")).identity.name == "ada@example.com"
