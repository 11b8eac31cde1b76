"""Owners and their API keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

# PostgreSQL's construct; SQLite's compiler reads the same one.
from sqlalchemy.dialects.postgresql import insert

from rushes.core.keys import ApiKey, new_key
from rushes.ledger.base import Base
from rushes.ledger.rows import KeyRecord, Owner
from rushes.ledger.table import keys, owners

_KEY = tuple(keys.c[name] for name in KeyRecord.__struct_fields__)
_OWNER = tuple(owners.c[name] for name in Owner.__struct_fields__)


class Accounts(Base):
    def create_key(self, owner: str, name: str = "", *, admin: bool = False) -> ApiKey:
        """A new key of `owner`, who is made if there is none. Only its digest is kept: show it now."""
        key = new_key()

        def body(connection: Connection) -> None:
            connection.execute(insert(owners).values(name=owner).on_conflict_do_nothing())
            connection.execute(
                insert(keys).values(
                    kid=key.kid, owner=owner, name=name, digest=key.digest, admin=admin, created_at=self.now
                )
            )

        self.db.write(body)
        return key

    def find_key(self, kid: str) -> KeyRecord | None:
        """The key's record, revoked or not."""
        with self.db.reading() as connection:
            row = connection.execute(select(*_KEY).where(keys.c.kid == kid)).first()
        return None if row is None else KeyRecord(**row._mapping)

    def list_keys(self, owner: str | None = None) -> Sequence[KeyRecord]:
        """All keys (of `owner`), the oldest first."""
        every = select(*_KEY).order_by(keys.c.created_at, keys.c.kid)
        with self.db.reading() as connection:
            rows = connection.execute(every if owner is None else every.where(keys.c.owner == owner)).all()
        return tuple(KeyRecord(**row._mapping) for row in rows)

    def revoke_key(self, kid: str) -> bool:
        """End the key for good; False if there is none or it was revoked before."""
        revoke = (
            update(keys).where(keys.c.kid == kid, keys.c.revoked_at.is_(None)).values(revoked_at=self.now)
        )
        return self.db.write(lambda connection: connection.execute(revoke).rowcount) == 1

    def get_owner(self, name: str) -> Owner | None:
        with self.db.reading() as connection:
            row = connection.execute(select(*_OWNER).where(owners.c.name == name)).first()
        return None if row is None else Owner(**row._mapping)

    def put_owner(self, owner: Owner) -> None:
        """Set weight and limits of an owner, made if there is none. His place in the fair share stays."""
        values: dict[str, Any] = {name: getattr(owner, name) for name in Owner.__struct_fields__}
        put = insert(owners).values(values)
        put = put.on_conflict_do_update(index_elements=[owners.c.name], set_=values)
        self.db.write(lambda connection: connection.execute(put).rowcount)
