"""What is committed is held to rules: schemas, sizes and hooks, in force as the journal says. See DESIGN.md."""

from rainer.validation.validation import Validation

__all__ = ["Validation"]
