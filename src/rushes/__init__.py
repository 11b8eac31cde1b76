"""Rushes: a self-hosted video-generation service.

    call → shot → request → lease → clip → file → reply

`ARCHITECTURE.md` is the map. Importing this package loads nothing else.
"""

__version__ = "0.1.0"
