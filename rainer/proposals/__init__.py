"""Proposals: changesets that wait for somebody else's approval. DESIGN.md has the rules."""

from rainer.proposals.table import ProposalTable

__all__ = ["ProposalTable"]
