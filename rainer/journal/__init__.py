"""The journal: an ordered, hash-chained history of commits on a database, with group commit and shared head reads."""

from rainer.journal.journal import Changes, Journal
from rainer.journal.live import JournalOptions, LiveJournal
from rainer.journal.row import Namespace
from rainer.journal.verify import Verification

__all__ = ["Changes", "Journal", "JournalOptions", "LiveJournal", "Namespace", "Verification"]
