"""What differs between databases when a group is written; the only rooms that know a dialect's name."""
