"""Cards from the package and the operator's folder, held against the engines that are to serve them."""

from __future__ import annotations

import msgspec
import structlog

from rushes.cards import read_catalogue
from rushes.core.card import Card
from rushes.core.catalogue import Catalogue
from rushes.core.errors import SetupError, UnknownModel
from rushes.engines.base import make_engine
from rushes.settings import Settings

log = structlog.get_logger(__name__)


def load_catalogue(settings: Settings) -> Catalogue:
    """All cards. A card that promises more than its engine can do is refused here, before a client believes it.
    Raises `SetupError`."""
    catalogue = Catalogue([_housed(card, settings) for card in read_catalogue(settings.cards)])
    for model in (*settings.warm, *settings.keep_loaded):
        _require(catalogue, model)
    for card in catalogue:
        engine = make_engine(card.engine.name, card.engine.options)
        gaps = card.demands().beyond(engine.capabilities())
        if gaps:
            raise SetupError(
                f"card {card.id}: engine '{card.engine.name}' cannot do what the card promises: {'; '.join(gaps)}",
                advice="Choose another engine for this card, or take those parameters off it.",
            )
    return catalogue


def _require(catalogue: Catalogue, model: str) -> None:
    try:
        catalogue.find(model)
    except UnknownModel:
        raise SetupError(
            f"settings warm and keep_loaded name '{model}', for which there is no card",
            advice="`rushes models` lists the ids.",
        ) from None


def _housed(card: Card, settings: Settings) -> Card:
    """The card whose diffusers engine knows the models folder, where it names no other."""
    if card.engine.name != "diffusers" or "models" in card.engine.options:
        return card
    options = {**card.engine.options, "models": str(settings.models)}
    return msgspec.structs.replace(card, engine=msgspec.structs.replace(card.engine, options=options))


def reload_catalogue(settings: Settings, catalogue: Catalogue) -> bool:
    """Read the cards anew into `catalogue`. With a bad card among them all stays as it was, and the log says why:
    then False."""
    try:
        catalogue.replace(load_catalogue(settings))
    except SetupError as error:
        log.error("cards stay as they were", error=str(error), advice=error.advice)
        return False
    log.info("cards read anew", cards=[card.id for card in catalogue])
    return True
