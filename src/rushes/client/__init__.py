"""A client of a Rushes server, or of any server that speaks one of its dialects."""

from rushes.client.client import LOCAL, AsyncClient, Client
from rushes.client.flow import StillRunning, Unreachable

__all__ = ["LOCAL", "AsyncClient", "Client", "StillRunning", "Unreachable"]
