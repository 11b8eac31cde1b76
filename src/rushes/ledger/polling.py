"""What a poll reads: who asks, and how the request that he asks for stands, in one statement and so of one moment.

Most polls find what the poll before them found, and a whole row costs more to fetch and to decode than to find. So of
the request a poll reads the revision, which rises with every change of what `get` tells, and the row only when it is not
the one that was read last. Nothing is told from memory without having asked the database.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import cached_property

import msgspec
from sqlalchemy import bindparam, select

from rushes.core.errors import UnknownRequest
from rushes.core.request import Request
from rushes.ledger.accounts import Accounts, key_from
from rushes.ledger.database import Prepared
from rushes.ledger.reading import Reading
from rushes.ledger.rows import KeyRecord
from rushes.ledger.table import R, keys, requests

KEPT = 2048
"""Requests in memory at most."""
LARGEST_KEPT = 16 * 1024
"""Bytes of a payload at most for its request to be kept: so all of them take some tens of megabytes at most."""


class Polling(Accounts, Reading):
    def look(self, kid: str, request_id: str) -> tuple[KeyRecord | None, int | None]:
        """The key's record as `find_key` tells it, and the revision that the request has now, whoever owns it: None where
        there is no such request, or no such key."""
        row = self.db.fetch_one(self._by_kid_and_id, {"kid": kid, "id": request_id})
        return (None, None) if row is None else (key_from(row[:-1]), row[-1])

    def get_as_of(self, request_id: str, revision: int | None, owner: str | None = None) -> Request:
        """What `get` tells, for who has just looked: as of that revision or a later one. Raises `UnknownRequest`."""
        if revision is None:
            raise UnknownRequest(request_id)
        request = self._kept.get(request_id)
        if request is None or request.revision != revision:
            request = self.get(request_id)
            self._keep(request)
        if owner is not None and request.owner != owner:
            raise UnknownRequest(request_id)
        return request

    def _keep(self, request: Request) -> None:
        self._kept.pop(request.id, None)  # what changes goes last, what rests for long goes first
        if len(msgspec.json.encode(request.payload)) <= LARGEST_KEPT:
            self._kept[request.id] = request
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    @cached_property
    def _kept(self) -> OrderedDict[str, Request]:
        return OrderedDict()

    @cached_property
    def _by_kid_and_id(self) -> Prepared:
        both = keys.outerjoin(requests, R.id == bindparam("id"))
        return Prepared(
            select(*self._key(), R.revision).select_from(both).where(keys.c.kid == bindparam("kid"))
        )
