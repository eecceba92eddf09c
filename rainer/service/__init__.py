"""What a server does, without any HTTP: the journal on its loop, the commit log, the figures it shows."""

from rainer.service.service import Service, ServiceOptions

__all__ = ["Service", "ServiceOptions"]
