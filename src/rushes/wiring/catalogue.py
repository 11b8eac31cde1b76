"""Cards from the package and the operator's folder, held against the engines that are to serve them."""

from __future__ import annotations

from rushes.cards import read_catalogue
from rushes.core.catalogue import Catalogue
from rushes.core.errors import SetupError
from rushes.engines.base import make_engine
from rushes.settings import Settings


def load_catalogue(settings: Settings) -> Catalogue:
    """All cards. A card that promises more than its engine can do is refused here, before a client believes it.
    Raises `SetupError`."""
    catalogue = read_catalogue(settings.cards)
    for card in catalogue:
        engine = make_engine(card.engine.name, card.engine.options)
        gaps = card.demands().beyond(engine.capabilities())
        if gaps:
            raise SetupError(
                f"card {card.id}: engine '{card.engine.name}' cannot do what the card promises: {'; '.join(gaps)}",
                advice="Choose another engine for this card, or take those parameters off it.",
            )
    return catalogue
