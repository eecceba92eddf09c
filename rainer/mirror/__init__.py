"""Mirrors: live, read-only copies of a namespace inside a program, over ZooKeeper or over HTTP."""
