"""The HTTP client: needs requests and nothing else of what the server is made of."""

from rainer.client.answers import Changes, Namespace
from rainer.client.client import Client
from rainer.client.retries import Retries

__all__ = ["Changes", "Client", "Namespace", "Retries"]
