"""Rainer: one journal for configuration and asset manifests."""
