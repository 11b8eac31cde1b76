"""Figures that the database keeps by itself: triggers count what ends, so that a look at them costs the same however
long the history is, and no verb can forget one.

A row of `figures` is `value` under a `name`, for a card and a label. Histograms have one row per bucket, whose `le` is
its upper bound, and their sum under the name with `_sum`; plain counts have the `le` 0.

    ended      requests by reason: the error's name, or `success`, `cancelled`
    attempts   attempts by the verb that ended them, and their seconds as `attempts_sum`
    beats      renewed leases
    wait       seconds from acceptance to the first attempt, by engine ('' when nothing was made)
    run        seconds of the attempts that made something, by engine
    overhead   what they took besides the engine's own phases, load and render
"""

from __future__ import annotations

from rushes.core.request import TERMINAL, Status

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14400.0)
BEYOND = 1e9
"""The bucket of everything above the last bound."""


def _bucket(seconds: str) -> str:
    whens = " ".join(f"WHEN {seconds} <= {bound:g} THEN {bound:g}" for bound in BUCKETS)
    return f"CASE {whens} ELSE {int(BEYOND)} END"


def _add(name: str, card: str, label: str, amount: str = "1", le: str = "0") -> str:
    return (
        f"INSERT INTO figures (name, card, label, le, value) VALUES ('{name}', {card}, {label}, {le}, {amount}) "
        "ON CONFLICT (name, card, label, le) DO UPDATE SET value = figures.value + excluded.value"
    )


def _measure(name: str, label: str, seconds: str) -> tuple[str, str]:
    """A value into its histogram."""
    return (
        _add(name, "NEW.card", label, le=_bucket(seconds)),
        _add(f"{name}_sum", "NEW.card", label, amount=seconds),
    )


_OVER = ", ".join(sorted(f"'{status}'" for status in TERMINAL))
_ENDS = f"NEW.status <> OLD.status AND NEW.status IN ({_OVER})"
_BEATS = f"OLD.status = '{Status.PROCESSING}' AND NEW.status = OLD.status AND NEW.fence = OLD.fence"
_CARD = "coalesce((SELECT card FROM requests WHERE id = NEW.request_id), '')"
_REASON = "coalesce(NEW.error_name, NEW.status)"
_WAIT = "max(0, NEW.started_at - NEW.created_at)"
_RUN = "coalesce((SELECT seconds FROM attempts WHERE request_id = NEW.id AND fence = NEW.fence), 0)"

_ATTEMPT = (
    _add("attempts", _CARD, "NEW.ended_by"),
    _add("attempts_sum", _CARD, "NEW.ended_by", amount="NEW.seconds"),
)
_BEAT = _add("beats", "NEW.card", "''")


def _sqlite() -> tuple[str, ...]:
    engine = "coalesce(json_extract(NEW.outcome, '$.engine'), '')"
    own = " - ".join(
        f"coalesce(json_extract(NEW.outcome, '$.timings.{phase}'), 0)" for phase in ("load", "render")
    )
    made = (*_measure("run", engine, _RUN), *_measure("overhead", engine, f"max(0, {_RUN} - {own})"))

    def trigger(name: str, event: str, condition: str, statements: tuple[str, ...]) -> str:
        return f"CREATE TRIGGER {name} AFTER UPDATE OF {event} WHEN {condition} BEGIN {'; '.join(statements)}; END"

    return (
        trigger("figures_ended", "status ON requests", _ENDS, (_add("ended", "NEW.card", _REASON),)),
        trigger(
            "figures_waited",
            "status ON requests",
            f"{_ENDS} AND NEW.started_at IS NOT NULL",
            _measure("wait", engine, _WAIT),
        ),
        trigger("figures_made", "status ON requests", f"{_ENDS} AND NEW.status = '{Status.SUCCESS}'", made),
        trigger("figures_beats", "lease_until ON requests", _BEATS, (_BEAT,)),
        trigger(
            "figures_attempts",
            "ended_by ON attempts",
            "OLD.ended_by IS NULL AND NEW.ended_by IS NOT NULL",
            _ATTEMPT,
        ),
    )


def _postgresql() -> tuple[str, ...]:
    engine = "coalesce(NEW.outcome ->> 'engine', '')"
    own = " - ".join(
        f"coalesce((NEW.outcome -> 'timings' ->> '{phase}')::double precision, 0)"
        for phase in ("load", "render")
    )
    waited = _measure("wait", engine, _WAIT.replace("max(", "greatest("))
    made = (*_measure("run", engine, _RUN), *_measure("overhead", engine, f"greatest(0, {_RUN} - {own})"))

    def function(name: str, body: str) -> str:
        return f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$"

    def trigger(name: str, event: str, condition: str) -> str:
        return (
            f"CREATE TRIGGER {name} AFTER UPDATE OF {event} FOR EACH ROW WHEN ({condition}) "
            f"EXECUTE FUNCTION {name}()"
        )

    return (
        function(
            "figures_ended",
            f"{_add('ended', 'NEW.card', _REASON)}; "
            f"IF NEW.started_at IS NOT NULL THEN {'; '.join(waited)}; END IF; "
            f"IF NEW.status = '{Status.SUCCESS}' THEN {'; '.join(made)}; END IF;",
        ),
        trigger("figures_ended", "status ON requests", _ENDS),
        function("figures_beats", f"{_BEAT};"),
        trigger("figures_beats", "lease_until ON requests", _BEATS),
        function("figures_attempts", f"{'; '.join(_ATTEMPT)};"),
        trigger(
            "figures_attempts", "ended_by ON attempts", "OLD.ended_by IS NULL AND NEW.ended_by IS NOT NULL"
        ),
    )


COUNTING: dict[str, tuple[str, ...]] = {"sqlite": _sqlite(), "postgresql": _postgresql()}
"""Statements that make the triggers, by dialect."""
