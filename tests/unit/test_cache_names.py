"""File names in the cache: like what was asked for, and harmless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer.cache.names import NAME_BYTES_MAX, is_uri, name_of_uri, safe_name


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("bar.csv.gz", "bar.csv.gz"),
        ("/foo/bar.csv", "bar.csv"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("..", "file"),
        ("", "file"),
        ("...", "file"),
        ("a\x00b\n", "a_b_"),
        ("CON", "_CON"),
        ("lpt1.txt", "_lpt1.txt"),
        ("a:b?c*", "a_b_c_"),
        ("trailing. ", "trailing"),
        ("daß süße ☃.csv", "daß süße ☃.csv"),
        ("evil\u202egnp.exe", "evil_gnp.exe"),
        ("half\ud800", "half_"),
        (".hidden", ".hidden"),
    ],
)
def test_a_hostile_name_is_made_safe(given_name: str, safe: str) -> None:
    assert safe_name(given_name) == safe


def test_a_long_name_is_cut_and_keeps_its_ending() -> None:
    cut = safe_name("x" * 300 + ".csv.gz")
    assert len(cut) == NAME_BYTES_MAX
    assert cut.endswith(".csv.gz")
    assert cut != safe_name("x" * 301 + ".csv.gz")
    assert safe_name("v1.2.3." * 60 + "tar.gz").endswith(".tar.gz")
    assert len(safe_name("☃" * 300).encode()) <= NAME_BYTES_MAX
    assert len(safe_name("a." + "b" * 300).encode()) <= NAME_BYTES_MAX


@given(st.text(max_size=400))
def test_no_name_leads_anywhere_else(text: str) -> None:
    name = safe_name(text)
    assert name not in ("", ".", "..")
    assert not set(name) & set("/\\\x00\n")
    assert len(name.encode()) <= NAME_BYTES_MAX
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("s3://b/foo/bar.csv", "bar.csv"),
        ("https://h/foo/bar%20x.csv?version=3#top", "bar x.csv"),
        ("s3://b/what?.csv", "what_.csv"),
        ("s3://b/a%2Fb", "b"),
        ("s3://b/..%2f..%2fpasswd", "passwd"),
        ("s3://b/", "b"),
    ],
)
def test_the_name_of_a_url_is_its_last_part(uri: str, name: str) -> None:
    assert name_of_uri(uri) == name


def test_a_url_is_told_from_a_path() -> None:
    assert is_uri("s3://b/k")
    assert is_uri("sha256://" + "0" * 64)
    assert not is_uri("/foo/bar")
    assert not is_uri("foo/s3://x")
    assert not is_uri("c:\\x")
