"""The brief: what a prompt asks for, in the words of the scene's tables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wish:
    """One thing asked for: its kind, how many, in which colour, doing what; `word` is how the prompt says it."""

    kind: str
    word: str
    colour: str | None = None
    count: int = 1


@dataclass(frozen=True)
class Brief:
    """What was understood. Empty fields were not said. `implied` are places that things belong to (a sofa to a room), `archetypes` of all nouns,
    drawn or not. `readings` are words of the prompt and what they were read as: an archetype or "kind:name". `english` are the same words
    in English, `undrawn` those that cannot be drawn yet; `ignored` are words that said nothing."""

    places: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    weathers: tuple[str, ...] = ()
    season: str = ""
    subjects: tuple[Wish, ...] = ()
    archetypes: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    moods: tuple[str, ...] = ()
    looks: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    readings: tuple[tuple[str, str], ...] = ()
    english: frozenset[str] = frozenset()
    undrawn: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def understood(self) -> tuple[str, ...]:
        """The words of the prompt that were read, in their order."""
        return tuple(dict.fromkeys(said for said, _ in self.readings))

    @property
    def names(self) -> frozenset[str]:
        """Everything asked for, by its table name: what a negative prompt's own brief takes away."""
        wishes = frozenset(wish.kind for wish in self.subjects)
        return wishes | {
            *self.places,
            *self.implied,
            *self.times,
            *self.weathers,
            *self.moves,
            *self.moods,
            *self.looks,
            *self.effects,
        }
