"""Every limit of Rainer in one place, so that README, errors and tests speak of the same numbers."""

from __future__ import annotations

from typing import Final

MiB: Final = 1024 * 1024

KEY_BYTES_MAX: Final = 255
NAMESPACE_CHARS_MAX: Final = 64
VERSION_MAX: Final = 2**31 - 1
AUTHOR_BYTES_MAX: Final = 1_000
COMMENT_BYTES_MAX: Final = 65_536
COMMIT_ID_CHARS_MAX: Final = 64

PAYLOAD_BYTES_DEFAULT: Final = 1_000_000
"""A namespace's largest payload unless it was made with another figure; about what a znode can carry."""
PAYLOAD_BYTES_CEILING: Final = 8 * MiB
"""No namespace may allow more: a row must fit MySQL's default packet of 16 MiB, encoded."""

CHANGESET_COMMITS_MAX: Final = 20_000
CHANGESET_BODY_BYTES_MAX: Final = 64 * MiB

HEADER_TEXT_BYTES_MAX: Final = 4_096
"""Longest author or comment put into a response header (JVM clients stop at 8 KiB for all); the meta has it whole."""

QUEUE_ITEMS_MAX: Final = 10_000
QUEUE_BYTES_MAX: Final = 128 * MiB
GROUP_COMMITS_MAX: Final = 1_024
GROUP_BYTES_MAX: Final = 8 * MiB

HEAD_MEMORY_BYTES: Final = 64 * MiB
"""What the answers of head reads may hold in memory."""
LIST_MEMORY_BYTES: Final = 32 * MiB
"""What remembered lists may hold in memory, compressed."""
SEARCH_MEMORY_BYTES: Final = 256 * MiB
"""What the web page may hold in memory of heads, to search and sort them."""
COMMITTER_HEADS_MAX: Final = 500_000
"""How many head versions the committer remembers between groups."""

LIST_PAGE_MAX: Final = 10_000
FEED_PAGE_DEFAULT: Final = 1_000
FEED_PAGE_MAX: Final = 10_000
FEED_PAGE_BYTES: Final = 8 * MiB
FEED_WAIT_S_MAX: Final = 60
FEED_READERS_MAX: Final = 5_000
FEED_BEAT_S: Final = 5.0
"""How long an event stream is silent at most."""

MIRRORS_MAX: Final = 10_000
"""How many mirrors may report to one server over HTTP, those that follow its followers included."""
MIRROR_OVERDUE_S: Final = 5.0
"""A mirror that follows over HTTP and reports nothing for so long is listed as silent."""
MIRROR_SILENCE_S: Final = 10.0
"""A mirror that follows over HTTP and reports nothing for so long is forgotten."""
MIRROR_REPORT_BYTES_MAX: Final = 4 * MiB
"""The report of one mirror, with those that it passes on."""
RECENT_BYTES: Final = 64 * MiB
"""What a mirror server remembers of recent changes, of each namespace, for those who follow it."""
MIRROR_REJECTED_MAX: Final = 100
"""How many rejected keys a report names."""

HEADER_BYTES_MAX: Final = 256 * 1024
"""What the headers of one request may come to, all together."""
BODY_TIMEOUT_S: Final = 30.0
"""A request must arrive within this time, however slowly it drips; and for so long an answer may lie unread."""
READY_TIMEOUT_S: Final = 2.0
"""How long the database may take to answer a server that is asked whether it is ready."""
LOCK_TIMEOUT_S: Final = 8
"""How long a writer waits for the journal's lock before it answers that the database is unavailable."""
STALLED_WRITER_S: Final = 5
"""How long a stopped process may hold the journal's lock before the database (or, on SQLite, we) end its hold."""

CACHE_BYTES_MAX: Final = 50 * 1024 * MiB
"""What the local cache of assets may hold unless set otherwise."""
STORE_FILE_BYTES_MAX: Final = 16 * 1024 * MiB
"""The largest file that the server store takes unless set otherwise."""
ASSET_PATH_BYTES_MAX: Final = 1_024
"""The longest path of an asset, as S3 bounds its keys; a component has at most 255 bytes, as in file systems."""

PROPOSAL_COMMITS_MAX: Final = 1_000
"""How many commits a proposal may have: a person is to read them."""
PROPOSAL_BYTES_MAX: Final = 8 * MiB
"""What a proposal may come to as JSON: its row must fit MySQL's default packet of 16 MiB, encoded."""
PROPOSALS_OPEN_MAX: Final = 1_000
"""How many proposals may wait at a time."""
PROPOSALS_PAGE_MAX: Final = 1_000
