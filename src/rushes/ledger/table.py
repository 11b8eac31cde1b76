"""The schema. One table is queue, ledger and API resource; the others hold what must outlive a request or count it.

What may happen to a row stands in `core.request.TRANSITIONS`; here it becomes CHECK constraints (what a row of each
status must and must not carry) and a trigger (which change of status exists), so that the database keeps the promise
even towards a statement nobody thought of. A second trigger keeps `tallies`, the number of rows by owner, card and
status: totals, queue caps and running caps then cost one row however long the history is.

Statuses stand in the SQL as literals: with bound values neither planner would use the partial indexes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    literal_column,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from rushes.core.audit import Stage
from rushes.core.request import TERMINAL, TRANSITIONS, Phase, Status
from rushes.ledger.counting import COUNTING


class Held(StrEnum):
    """Why a queued row cannot be claimed yet. `ready_at` says when to look at it again."""

    INTAKE = "intake"
    BACKOFF = "backoff"


class now(FunctionElement[float]):  # noqa: N801 - reads as the SQL function it is
    """The database's clock, in seconds since the epoch: leases never depend on the clocks of workers."""

    type = Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _sqlite_now(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _postgresql_now(*_: Any, **__: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS double precision)"


def literal(word: StrEnum) -> ColumnElement[str]:
    return literal_column(f"'{word.value}'", String())


def _words(words: type[StrEnum] | frozenset[Status]) -> str:
    return ", ".join(sorted(f"'{word.value}'" for word in words))


metadata = MetaData()

_Json = JSON(none_as_null=True)


def _time(name: str, *, nullable: bool = True) -> Column[float]:
    return Column(name, Double, nullable=nullable)


requests = Table(
    "requests",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("model", String(255), nullable=False),
    Column("card", String(255), nullable=False),
    Column("dialect", String(32), nullable=False),
    Column("payload", _Json, nullable=False),
    Column("shot", _Json, nullable=False),
    Column("image_key", Text),
    Column("image_url", Text),
    Column("idempotency_key", String(255)),
    Column("fingerprint", String(128)),
    Column("upstream_id", String(255)),
    Column("status", String(16), nullable=False),
    Column("held", String(16)),
    Column("priority", Integer, nullable=False),
    Column("turn", Double, nullable=False),
    Column("cost", Double, nullable=False),
    Column("fence", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("intake_fence", Integer, nullable=False, server_default="0"),
    Column("worker", String(255)),
    Column("phase", String(16)),
    Column("progress", Double, nullable=False, server_default="0"),
    Column("note", Text, nullable=False, server_default=""),
    Column("outcome", _Json),
    Column("error", Text),
    Column("error_name", String(64)),
    Column("cancel_reason", Text),
    Column("revision", Integer, nullable=False, server_default="0"),
    _time("lease_until"),
    _time("ready_at"),
    _time("start_by"),
    _time("keep_for"),
    _time("keep_until"),
    _time("expired_at"),
    _time("created_at", nullable=False),
    _time("queued_at", nullable=False),
    _time("started_at"),
    _time("finished_at"),
    _time("updated_at", nullable=False),
    # Where the request's trace goes on, in the W3C form.
    Column("trace", String(64)),
    # The request of which this one is a repetition.
    Column("retry_of", String(64)),
    # What policies said of it.
    Column("tags", _Json, nullable=False, server_default="[]"),
    # The newest picture of the clip while it is being made.
    Column("live_preview", Text),
    CheckConstraint(f"status IN ({_words(Status)})", "status_known"),
    CheckConstraint(f"phase IN ({_words(Phase)})", "phase_known"),
    CheckConstraint(f"held IN ({_words(Held)})", "held_known"),
    CheckConstraint(f"held IS NULL OR status = '{Status.QUEUED}'", "held_is_queued"),
    CheckConstraint("(held IS NULL) = (ready_at IS NULL)", "held_until"),
    CheckConstraint(f"(status = '{Status.PROCESSING}') = (lease_until IS NOT NULL)", "processing_has_lease"),
    CheckConstraint(f"status <> '{Status.PROCESSING}' OR worker IS NOT NULL", "processing_has_worker"),
    CheckConstraint(f"(status IN ({_words(TERMINAL)})) = (finished_at IS NOT NULL)", "terminal_is_finished"),
    CheckConstraint(f"(status = '{Status.SUCCESS}') = (outcome IS NOT NULL)", "success_has_outcome"),
    CheckConstraint(f"(status = '{Status.FAILED}') = (error IS NOT NULL)", "failed_has_error"),
    CheckConstraint("failures BETWEEN 0 AND fence", "failures_bounded"),
    CheckConstraint("progress BETWEEN 0 AND 1", "progress_bounded"),
    # Half-filled pages keep an update of an unindexed column (a beat) on its page.
    postgresql_with={"fillfactor": 70},
)
R = requests.c

QUEUED = R.status == literal(Status.QUEUED)
PROCESSING = R.status == literal(Status.PROCESSING)
CLAIMABLE = and_(QUEUED, R.held.is_(None))


def _index(name: str, *columns: Any, where: ColumnElement[bool] | None = None, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


# The claim: one probe per card, and one per owner and card when an owner has reached his running cap.
_index("requests_queue", R.card, R.priority.desc(), R.turn, R.id, where=CLAIMABLE)
_index("requests_owner_queue", R.card, R.owner, R.priority.desc(), R.turn, R.id, where=CLAIMABLE)
# The line as a whole.
_index("requests_line", R.priority.desc(), R.turn, R.id, where=QUEUED)
# What becomes due with time. Leases are not here: the rows in processing are few, and their beats stay cheap.
_index("requests_held", R.held, R.ready_at, where=and_(QUEUED, R.held.is_not(None)))
_index("requests_start_by", R.start_by, where=and_(QUEUED, R.start_by.is_not(None)))
_index("requests_running", R.card, R.id, where=PROCESSING)
_index("requests_keep_until", R.keep_until, where=and_(R.keep_until.is_not(None), R.expired_at.is_(None)))
# The lists.
_index("requests_all", R.created_at, R.id)
_index("requests_by_owner", R.owner, R.created_at, R.id)
_index("requests_by_card", R.owner, R.card, R.created_at, R.id)
_index("requests_failed", R.owner, R.created_at, R.id, where=R.status == literal(Status.FAILED))
# What was made lately, to tell how long the next one takes.
_index("requests_made", R.card, R.finished_at, where=R.status == literal(Status.SUCCESS))
_index("requests_idempotency", R.owner, R.idempotency_key, where=R.idempotency_key.is_not(None), unique=True)
_index("requests_image", R.image_key, where=R.image_key.is_not(None))

attempts = Table(
    "attempts",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("fence", Integer, primary_key=True),
    Column("worker", String(255), nullable=False),
    Column("phase", String(16)),
    # The verb of TRANSITIONS that ended it; NULL while it runs.
    Column("ended_by", String(16)),
    Column("error", Text),
    Column("error_name", String(64)),
    _time("started_at", nullable=False),
    Column("seconds", Double),
    CheckConstraint("(ended_by IS NULL) = (seconds IS NULL)", "ended_has_seconds"),
)


def _bounds() -> tuple[Column[Any], ...]:
    """What bounds an owner with all cards together, and with a single one; `rows.Bounds` in columns. NULL means
    unbounded."""
    return (
        Column("queue_cap", Integer),
        Column("running_cap", Integer),
        Column("per_minute", Integer),
        # Seconds; infinity means for ever, NULL the next wider rule.
        Column("keep_for", Double),
    )


owners = Table(
    "owners",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("weight", Double, nullable=False, server_default="1"),
    Column("last_turn", Double, nullable=False, server_default="0"),
    *_bounds(),
    Column("priority_cap", Integer),
    Column("day_budget", Double),
    Column("month_budget", Double),
    CheckConstraint("weight > 0", "weight_positive"),
)

# What an owner may do with one card, beside what `owners` says of all of them together.
limits = Table(
    "limits",
    metadata,
    Column("owner", String(255), primary_key=True),
    Column("card", String(255), primary_key=True),
    *_bounds(),
)

# The greatest turn ever claimed, by priority: a level that is served late must not push the others' newcomers back.
turns = Table(
    "turns",
    metadata,
    Column("priority", Integer, primary_key=True, autoincrement=False),
    Column("turn", Double, nullable=False),
)

tallies = Table(
    "tallies",
    metadata,
    Column("owner", String(255), primary_key=True),
    Column("card", String(255), primary_key=True),
    Column("status", String(16), primary_key=True),
    Column("count", Integer, nullable=False),
    CheckConstraint("count >= 0", "count_positive"),
)
Index("tallies_by_card", tallies.c.card, tallies.c.status)

# What `counting` counts.
figures = Table(
    "figures",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("card", String(255), primary_key=True),
    Column("label", String(64), primary_key=True),
    Column("le", Double, primary_key=True),
    Column("value", Double, nullable=False),
)

# What policies decided. Rows go by age alone: they may speak of requests that never were.
audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    _time("at", nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("policy", String(255), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("decision", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("tags", _Json, nullable=False),
    CheckConstraint("decision IN ('allow', 'refuse')", "decision_known"),
    CheckConstraint(f"stage IN ({_words(Stage)})", "stage_known"),
)
Index("audit_by_request", audit.c.request_id, audit.c.id)

# Seconds of visible successes by owner and UTC day (days since the epoch).
spend = Table(
    "spend",
    metadata,
    Column("owner", String(255), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("seconds", Double, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("kid", String(32), primary_key=True),
    Column("owner", String(255), nullable=False),
    Column("name", String(255), nullable=False),
    Column("digest", String(128), nullable=False),
    Column("admin", Boolean, nullable=False),
    _time("created_at", nullable=False),
    _time("revoked_at"),
)

workers = Table(
    "workers",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("cards", _Json, nullable=False),
    _time("started_at", nullable=False),
    _time("seen_at", nullable=False),
)

_CHANGES = ", ".join(sorted({f"'{t.source} {t.target}'" for t in TRANSITIONS if t.source is not t.target}))
_ALLOWED = (
    f"NEW.fence >= OLD.fence AND (NEW.status = OLD.status OR OLD.status || ' ' || NEW.status IN ({_CHANGES}))"
)
_COUNT_NEW = (
    "INSERT INTO tallies (owner, card, status, count) VALUES (NEW.owner, NEW.card, NEW.status, 1) "
    "ON CONFLICT (owner, card, status) DO UPDATE SET count = tallies.count + 1"
)
_COUNT_OLD = (
    "UPDATE tallies SET count = count - 1 WHERE owner = OLD.owner AND card = OLD.card AND status = OLD.status"
)
_REFUSAL = "a request may not change its status or fence like this"

TRIGGERS: dict[str, tuple[str, ...]] = {
    "sqlite": (
        "CREATE TRIGGER requests_guard BEFORE UPDATE OF status, fence ON requests "
        f"WHEN NOT ({_ALLOWED}) BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        f"CREATE TRIGGER requests_count_insert AFTER INSERT ON requests BEGIN {_COUNT_NEW}; END",
        "CREATE TRIGGER requests_count_update AFTER UPDATE OF status ON requests "
        f"WHEN NEW.status <> OLD.status BEGIN {_COUNT_OLD}; {_COUNT_NEW}; END",
        f"CREATE TRIGGER requests_count_delete AFTER DELETE ON requests BEGIN {_COUNT_OLD}; END",
        *COUNTING["sqlite"],
    ),
    "postgresql": (
        "CREATE FUNCTION requests_guard() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN IF NOT ({_ALLOWED}) THEN RAISE EXCEPTION '{_REFUSAL}'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER requests_guard BEFORE UPDATE OF status, fence ON requests "
        "FOR EACH ROW EXECUTE FUNCTION requests_guard()",
        "CREATE FUNCTION requests_count() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF TG_OP <> 'INSERT' THEN {_COUNT_OLD}; END IF; "
        f"IF TG_OP <> 'DELETE' THEN {_COUNT_NEW}; END IF; RETURN NULL; END $$",
        "CREATE TRIGGER requests_count AFTER INSERT OR DELETE ON requests "
        "FOR EACH ROW EXECUTE FUNCTION requests_count()",
        "CREATE TRIGGER requests_count_update AFTER UPDATE OF status ON requests "
        "FOR EACH ROW WHEN (NEW.status <> OLD.status) EXECUTE FUNCTION requests_count()",
        *COUNTING["postgresql"],
    ),
}
