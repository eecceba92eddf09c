"""Names, times, header text and the ancestor's bytes under whatever Hypothesis thinks of."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rainer import limits
from rainer.errors import CorruptError, InvalidError
from rainer.model import names, times
from rainer.model.commit import Commit
from rainer.model.headers import decode_text, encode_text
from rainer.model.serialization import from_bytes, to_bytes

FORBIDDEN = [("/", "/"), ("\x00", "\x1f"), ("\x7f", "\x9f"), ("\ud800", "\uf8ff"), ("\ufff0", "\U0010ffff")]


def zookeeper_and_we_take(key: str) -> bool:
    """The rule for keys, written once more in another way."""
    return (
        key not in ("", ".", "..")
        and not any(first <= c <= last for c in key for first, last in FORBIDDEN)
        and len(key.encode()) <= 255
    )


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_keys_are_taken_by_the_rule_and_refused_with_a_printable_sentence(key: str) -> None:
    if zookeeper_and_we_take(key):
        assert names.check_key(key) == key
    else:
        with pytest.raises(InvalidError) as caught:
            names.check_key(key)
        assert str(caught.value).isprintable()


@given(st.sampled_from([c for pair in FORBIDDEN for c in pair]), st.text("abc", max_size=3), st.text("abc", max_size=3))
def test_one_forbidden_character_anywhere_is_named(bad: str, before: str, after: str) -> None:
    with pytest.raises(InvalidError, match="holds a '/'" if bad == "/" else f"U\\+{ord(bad):04X}"):
        names.check_key(before + bad + after)


@given(st.integers(1, limits.VERSION_MAX))
def test_versions_are_read_as_they_are_written(version: int) -> None:
    assert names.parse_version(str(version)) == version
    for spelt in (f"0{version}", f"+{version}", f" {version}", f"{version}\n", f"-{version}", f"{version}.0"):
        with pytest.raises(InvalidError):
            names.parse_version(spelt)


@pytest.mark.parametrize("version", [0, -1, 2**31, True, False, "1", 1.0, None])
def test_what_is_no_version_is_refused(version: object) -> None:
    with pytest.raises(InvalidError, match="not a whole number from 1 to 2147483647"):
        names.check_version(version)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_lone_surrogates_are_no_text(text: str) -> None:
    for check in (names.check_key, names.check_author, names.check_comment):
        with pytest.raises(InvalidError, match="U\\+D"):
            check(text)


@given(st.text(max_size=200), st.integers(1, 80))
def test_a_shortened_text_is_printable_ascii_and_short(text: str, chars_max: int) -> None:
    shown = names.shorten(text, chars_max)
    assert shown.isprintable()
    assert shown.rstrip("…").isascii()
    assert len(shown) <= chars_max * 10 + 3


ZONES = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001 - Hypothesis adds zones


@given(MOMENTS)
def test_a_moment_survives_being_written_whatever_its_zone(moment: datetime) -> None:
    ms = times.to_ms(moment)
    assert times.parse_iso(moment.isoformat(timespec="milliseconds")) == ms
    assert times.parse_iso(moment.isoformat(timespec="microseconds")) == ms
    text = times.format_iso(ms)
    assert len(text) == 24
    assert times.parse_iso(text) == ms
    assert timedelta(0) <= moment - times.from_ms(ms) < timedelta(milliseconds=1)
    assert times.from_ms(ms).tzinfo is UTC


@given(st.integers(-62135596800000, 253402300799999), st.integers(-62135596800000, 253402300799999))
def test_written_times_sort_as_the_moments_do(one: int, other: int) -> None:
    assert (times.format_iso(one) < times.format_iso(other)) == (one < other)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidError, match="no time zone"):
        times.to_ms(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


def test_now_is_now() -> None:
    before = datetime.now(UTC)
    assert times.to_ms(before) <= times.now_ms() <= times.to_ms(datetime.now(UTC))


@given(st.text(max_size=400))
def test_header_text_breaks_no_response_and_comes_back_where_it_is_whole(text: str) -> None:
    raw, is_whole = encode_text(text)
    assert len(raw) <= limits.HEADER_TEXT_BYTES_MAX
    assert not set(raw) & {*range(0x20), 0x7F}
    assert raw == raw.strip(b" \t")
    if is_whole:
        assert decode_text(raw) == text
    else:
        assert text != decode_text(raw) or text != text.strip()


@given(
    st.text(st.characters(min_codepoint=0xA1, exclude_categories=("Z",)), min_size=1, max_size=5), st.integers(1, 5000)
)
def test_long_header_text_is_cut_at_a_character(some: str, times_over: int) -> None:
    text = some * times_over
    raw, is_whole = encode_text(text)
    assert len(raw) <= limits.HEADER_TEXT_BYTES_MAX
    if not is_whole and "\ufffd" not in decode_text(raw) and "?" not in decode_text(raw):
        assert text.startswith(decode_text(raw))
        assert len(raw) > limits.HEADER_TEXT_BYTES_MAX - 4


@given(st.binary(max_size=100))
def test_any_header_bytes_are_some_text(raw: bytes) -> None:
    text = decode_text(raw)
    assert raw in (text.encode(), text.encode("latin-1", "replace"))


COMMITS = st.builds(
    lambda key, version, payload, author, comment, mtime: Commit(
        key, version, payload, author, comment, times.from_ms(mtime), payload is None
    ),
    st.text(min_size=1, max_size=20),
    st.integers(1, limits.VERSION_MAX),
    st.none() | st.binary(max_size=100),
    st.text(max_size=20),
    st.text(max_size=50),
    st.integers(-62135596800000, 253402300799999),
)


@given(COMMITS)
def test_a_commit_survives_the_ancestors_bytes(commit: Commit) -> None:
    assert from_bytes(to_bytes(commit)) == commit


@given(COMMITS, st.data())
def test_damaged_bytes_are_corrupt_or_another_commit_and_nothing_else(commit: Commit, data: st.DataObject) -> None:
    whole = to_bytes(commit)
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.integers(0, 3))
    damaged = whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + cut :]
    try:
        found = from_bytes(damaged)
    except CorruptError as error:
        assert str(error)  # noqa: PT017 - both ends are right, a third would not be
    else:
        assert from_bytes(to_bytes(found)) == found


@given(st.binary(max_size=200))
def test_any_bytes_are_a_commit_or_corrupt(data: bytes) -> None:
    with contextlib.suppress(CorruptError):
        assert 0 < from_bytes(data).version < 2**31


def test_a_header_nested_without_end_is_corrupt() -> None:
    header = b'{"key":' + b"[" * 200_000
    with pytest.raises(CorruptError):
        from_bytes(b"%d\n%s\n\n" % (len(header), header))
