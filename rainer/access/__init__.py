"""Who asks a server, and who may: identities and the credentials that prove them. DESIGN.md has the rules."""

from rainer.access.access import Access
from rainer.access.oidc import OidcOptions
from rainer.access.options import AccessOptions

__all__ = ["Access", "AccessOptions", "OidcOptions"]
