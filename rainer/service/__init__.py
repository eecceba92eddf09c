"""What a server does, without any HTTP: the journal on its loop, the commit log, the figures it shows."""

from rainer.service.file_store import StoreOptions
from rainer.service.pages_options import PagesOptions
from rainer.service.publishing import PublishOptions
from rainer.service.service import Service, ServiceOptions

__all__ = ["PagesOptions", "PublishOptions", "Service", "ServiceOptions", "StoreOptions"]
