"""Stores: what a URL opens, from S3 to a folder, and the client of a server's file store."""
