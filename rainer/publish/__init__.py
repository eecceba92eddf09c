"""The publisher: copies the journal's heads to ZooKeeper, so that mirrors and the ancestor's readers follow them."""

from rainer.publish.publisher import Publisher

__all__ = ["Publisher"]
