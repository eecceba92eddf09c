"""The file store that every server has: names in the journal's database, contents stored once each."""
