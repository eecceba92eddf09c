"""What is wrong with one of many drafts; for those who only raise or catch it."""

from rainer.validation.refused import RefusedDraft

__all__ = ["RefusedDraft"]
