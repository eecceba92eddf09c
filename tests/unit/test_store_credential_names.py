"""One list of credentials for stores of all kinds."""

from __future__ import annotations

import pytest

from rainer.errors import InvalidUri
from rainer.store import open_store

URLS = ("s3://bucket", "gs://bucket", "az://account/container", "https://host/folder", "memory://name", "file:///tmp")
EVERYBODYS = (
    "default", "env", "profile:me", "file:/key.json", "bearer:tok:en", "key:a2V5", "sas:sig=1", "connection:@/secret",
    "anonymous",
)  # fmt: skip


@pytest.mark.parametrize("url", URLS)
def test_names_for_stores_of_other_kinds_are_passed_over(url: str) -> None:
    store = open_store(url, credentials=EVERYBODYS)
    for name in EVERYBODYS:
        open_store(url, credentials=[name])
    store.close()


def test_each_kind_of_store_takes_its_own_in_their_order() -> None:
    assert open_store(URLS[0], credentials=EVERYBODYS)._names == ("default", "env", "profile:me", "anonymous")  # type: ignore[attr-defined]
    assert open_store(URLS[0], credentials=["bearer:t"])._names == ("default",)  # type: ignore[attr-defined]
    assert open_store(URLS[1], credentials=EVERYBODYS)._names == (  # type: ignore[attr-defined]
        "default", "env", "file:/key.json", "bearer:tok:en", "anonymous",
    )  # fmt: skip
    assert open_store(URLS[2], credentials=EVERYBODYS)._names == (  # type: ignore[attr-defined]
        "default", "env", "key:a2V5", "sas:sig=1", "connection:@/secret", "anonymous",
    )  # fmt: skip
    assert open_store(URLS[3], credentials=EVERYBODYS)._logins == ["Bearer tok:en", None]  # type: ignore[attr-defined]


@pytest.mark.parametrize("url", URLS[:4])
@pytest.mark.parametrize("name", ["", "profile", "profile:", "bearer:", "barer:s3cr3t"])
def test_what_means_nothing_anywhere_is_refused_without_its_secret(url: str, name: str) -> None:
    with pytest.raises(InvalidUri, match="names no credentials") as caught:
        open_store(url, credentials=["anonymous", name])
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.hint is not None
