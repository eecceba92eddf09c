"""The web page: server-rendered, readable without scripts, with history and difference at its heart."""
