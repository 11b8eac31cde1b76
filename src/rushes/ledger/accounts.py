"""Owners with their limits, and their API keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, bindparam, case, false, select, update
from sqlalchemy import func as sql

# PostgreSQL's construct; SQLite's compiler reads the same one.
from sqlalchemy.dialects.postgresql import insert

from rushes.core.keys import ApiKey, new_key
from rushes.core.request import Status
from rushes.ledger.admission import first_days
from rushes.ledger.base import Base
from rushes.ledger.database import Prepared
from rushes.ledger.rows import CardLimits, KeyRecord, Owner, Usage
from rushes.ledger.table import keys, limits, owners, spend, tallies

_STORED = tuple(keys.c[name] for name in KeyRecord.__struct_fields__ if name != "revoked")
_OWNER = tuple(owners.c[name] for name in Owner.__struct_fields__)
_LIMITS = tuple(limits.c[name] for name in CardLimits.__struct_fields__)


def key_from(row: Sequence[Any]) -> KeyRecord:
    """The key in `row`, which holds the values of `Accounts._key` as the driver gives them."""
    kid, owner, name, digest, admin, created_at, revoked_at, revoked = row
    return KeyRecord(
        kid=kid,
        owner=owner,
        name=name,
        digest=digest,
        admin=bool(admin),
        created_at=created_at,
        revoked_at=revoked_at,
        revoked=bool(revoked),
    )


class Accounts(Base):
    # -- keys --------------------------------------------------------------------------------------------------------

    def create_key(self, owner: str, name: str = "", *, admin: bool = False) -> ApiKey:
        """A new key of `owner`, who is made if there is none. Only its digest is kept: show it now."""
        key = new_key()

        def body(connection: Connection) -> None:
            connection.execute(insert(owners).values(name=owner).on_conflict_do_nothing())
            self._write_key(connection, key, owner, name, admin)

        self.db.write(body)
        return key

    def rotate_key(self, kid: str, grace: float) -> ApiKey | None:
        """A new key in place of this one, which works for `grace` more seconds; None if there is none that works."""
        key = new_key()

        def body(connection: Connection) -> bool:
            old = connection.execute(select(*self._key()).where(keys.c.kid == kid)).first()
            if old is None or old.revoked:
                return False
            end = update(keys).where(keys.c.kid == kid)
            connection.execute(end.values(revoked_at=sql.coalesce(keys.c.revoked_at, self.now + grace)))
            self._write_key(connection, key, old.owner, old.name, old.admin)
            return True

        return key if self.db.write(body) else None

    def find_key(self, kid: str) -> KeyRecord | None:
        """The key's record, revoked or not."""
        row = self.db.fetch_one(self._by_kid, {"kid": kid})
        return None if row is None else key_from(row)

    @cached_property
    def _by_kid(self) -> Prepared:
        return Prepared(select(*self._key()).where(keys.c.kid == bindparam("kid")))

    def list_keys(self, owner: str | None = None) -> Sequence[KeyRecord]:
        """All keys (of `owner`), the oldest first."""
        every = select(*self._key()).order_by(keys.c.created_at, keys.c.kid)
        with self.db.reading() as connection:
            rows = connection.execute(every if owner is None else every.where(keys.c.owner == owner)).all()
        return tuple(KeyRecord(**row._mapping) for row in rows)

    def revoke_key(self, kid: str) -> bool:
        """End the key for good, now; False if there is none or it has ended before."""

        def body(connection: Connection) -> bool:
            row = connection.execute(select(*self._key()).where(keys.c.kid == kid)).first()
            if row is None or row.revoked:
                return False
            connection.execute(update(keys).where(keys.c.kid == kid).values(revoked_at=self.now))
            return True

        return self.db.write(body)

    def _key(self) -> tuple[Any, ...]:
        # The clock is asked only where there is a time to compare it with: every poll reads this.
        revoked = case((keys.c.revoked_at.is_(None), false()), else_=keys.c.revoked_at <= self.now)
        return (*_STORED, revoked.label("revoked"))

    def _write_key(self, connection: Connection, key: ApiKey, owner: str, name: str, admin: bool) -> None:
        values = {"kid": key.kid, "owner": owner, "name": name, "digest": key.digest, "admin": admin}
        connection.execute(insert(keys).values(**values, created_at=self.now))

    # -- owners ------------------------------------------------------------------------------------------------------

    def get_owner(self, name: str) -> Owner | None:
        with self.db.reading() as connection:
            row = connection.execute(select(*_OWNER).where(owners.c.name == name)).first()
        return None if row is None else Owner(**row._mapping)

    def put_owner(self, owner: Owner) -> None:
        """Set weight and limits of an owner, made if there is none. His place in the fair share stays."""
        self.change_owner(**{name: getattr(owner, name) for name in Owner.__struct_fields__})

    def change_owner(self, name: str, **changes: Any) -> None:
        """Set those of the fields of `Owner` that are given, for an owner who is made if there is none."""
        put = insert(owners).values(name=name, **changes)
        put = put.on_conflict_do_update(index_elements=[owners.c.name], set_={"name": name, **changes})
        self.db.write(lambda connection: connection.execute(put).rowcount)

    def card_limits(self, owner: str) -> Sequence[CardLimits]:
        """What holds for single cards, by name."""
        with self.db.reading() as connection:
            rows = connection.execute(
                select(*_LIMITS).where(limits.c.owner == owner).order_by(limits.c.card)
            ).all()
        return tuple(CardLimits(**row._mapping) for row in rows)

    def change_card_limits(self, owner: str, card: str, **changes: Any) -> None:
        """Set those of the fields of `CardLimits` that are given; `card` is the card's own id."""
        here = {"owner": owner, "card": card}
        put = insert(limits).values(**here, **changes)
        put = put.on_conflict_do_update(index_elements=list(here), set_={**here, **changes})

        def body(connection: Connection) -> None:
            connection.execute(insert(owners).values(name=owner).on_conflict_do_nothing())
            connection.execute(put)

        self.db.write(body)

    def usage(self, owner: str | None = None) -> Sequence[Usage]:
        """What each owner (or this one) was charged and has asked for, by name."""
        with self.db.reading() as connection:
            today, month = first_days(connection, self.now)
            names = connection.scalars(select(owners.c.name).order_by(owners.c.name)).all()
            charged = connection.execute(select(spend).where(spend.c.day >= month)).all()
            counted = connection.execute(
                select(tallies.c.owner, tallies.c.status, sql.sum(tallies.c.count)).group_by(
                    tallies.c.owner, tallies.c.status
                )
            ).all()
        asked: dict[str, dict[Status, int]] = defaultdict(dict)
        for name, status, count in counted:
            asked[name][Status(status)] = int(count)

        def seconds(name: str, since: int) -> Iterator[float]:
            return (row.seconds for row in charged if row.owner == name and row.day >= since)

        return tuple(
            Usage(
                owner=name,
                day_seconds=sum(seconds(name, today)),
                month_seconds=sum(seconds(name, month)),
                requests={status: asked[name].get(status, 0) for status in Status},
            )
            for name in names
            if owner in (None, name)
        )
