"""Verified files on local disk, fetched once for all processes."""
