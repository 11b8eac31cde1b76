"""A model card: what one model id accepts, and which engine serves it.

The card is the one source of a model's truth. From it come the check of a submitted payload, the vendors' model
detail, the JSON Schema of the OpenAPI page and the console's form, and the rows of the command line's help.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Protocol

import msgspec

from rushes.core.parameter import Parameter, ParameterType, absent
from rushes.core.shot import Shot

CANONICAL: dict[str, frozenset[ParameterType]] = {
    "prompt": frozenset({"string"}),
    "negative_prompt": frozenset({"string"}),
    "image": frozenset({"image"}),
    "duration": frozenset({"enum", "integer"}),
    "aspect_ratio": frozenset({"enum"}),
    "cfg_scale": frozenset({"float"}),
    "sound": frozenset({"boolean"}),
    "mode": frozenset({"enum"}),
    "seed": frozenset({"integer"}),
}
"""The parameters a card may have, and the types each may take."""


class ImageRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an input image (one JPEG or PNG) must be. `max_bytes` counts the encoded file, `min_side` is in pixels, the
    ratios are width / height."""

    max_bytes: Annotated[int, msgspec.Meta(ge=1)] = 10 * 1024 * 1024
    min_side: Annotated[int, msgspec.Meta(ge=1)] = 300
    min_ratio: Annotated[float, msgspec.Meta(gt=0)] = 0.4
    max_ratio: Annotated[float, msgspec.Meta(gt=0)] = 2.5


class Modalities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input: tuple[str, ...]
    output: tuple[str, ...]


class Erratum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One contradiction of a vendor's page: what it says, and what holds here."""

    page: str
    here: str


class EngineChoice(msgspec.Struct, frozen=True):
    """The engine's entry-point name, and the rest of the card's `[engine]` table as its options."""

    name: str
    options: dict[str, Any] = {}

    @property
    def identity(self) -> str:
        """Equal for choices that one loaded engine can serve."""
        return self.name + " " + msgspec.json.encode(self.options, order="deterministic").decode()


class CheckedShot(msgspec.Struct, frozen=True, kw_only=True):
    """`image` is the URL, data URI or Base64 as it was sent. `ignored` are the keys that changed nothing."""

    shot: Shot
    image: str | None
    ignored: tuple[str, ...]


class ParameterRow(msgspec.Struct, frozen=True):
    """One line of a table for people."""

    name: str
    type: str
    required: bool
    default: str
    limits: str
    description: str


class Capable(Protocol):
    """What a card asks about an engine; `engines.base.Capabilities` answers it."""

    @property
    def text_to_video(self) -> bool: ...
    @property
    def image_to_video(self) -> bool: ...
    @property
    def sound(self) -> bool: ...
    @property
    def aspect_ratios(self) -> tuple[str, ...]: ...
    @property
    def max_seconds(self) -> int: ...


class Demands(msgspec.Struct, frozen=True, kw_only=True):
    """The most that a card lets a client ask for, so the least that its engine must be able to do."""

    text_to_video: bool
    image_to_video: bool
    sound: bool
    aspect_ratios: tuple[str, ...]
    max_seconds: int

    def beyond(self, engine: Capable) -> list[str]:
        """What the card promises and `engine` cannot do, as phrases; empty when all is well."""
        ratios = [ratio for ratio in self.aspect_ratios if ratio not in engine.aspect_ratios]
        gaps = {
            "video from text alone": self.text_to_video and not engine.text_to_video,
            "video from an image": self.image_to_video and not engine.image_to_video,
            "sound": self.sound and not engine.sound,
            f"aspect ratio {', '.join(ratios)}": bool(ratios),
            f"{self.max_seconds} seconds (its most is {engine.max_seconds})": self.max_seconds
            > engine.max_seconds,
        }
        return [gap for gap, missing in gaps.items() if missing]


class Card(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`brief` is one sentence, `description` the overview, features and tips as Markdown, `page` the vendor's page.
    `price` is in the operator's credits per video, or None for free."""

    id: str
    aliases: tuple[str, ...] = ()
    name: str
    developer: str
    brief: str
    description: str
    page: str = ""
    modalities: Modalities
    price: int | None = None
    engine: EngineChoice
    image: ImageRules = ImageRules()
    errata: tuple[Erratum, ...] = ()
    parameters: tuple[Parameter, ...]

    def parameter(self, name: str) -> Parameter | None:
        """The parameter with this canonical name."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def check(self, fields: Mapping[str, object], *, draw_seed: Callable[[], int]) -> CheckedShot:
        """The shot that `fields` ask for, by the tolerant reading. A missing seed is drawn now, so that every later
        try makes the same picture. Raises `InvalidShot` for the first parameter that is wrong, and nothing else."""
        read = {parameter.name: parameter.pick(fields) for parameter in self.parameters}
        given: dict[str, Any] = {name: value for name, value in read.items() if value is not None}
        image = given.pop("image", None)
        if "duration" in given:
            given["seconds"] = int(given.pop("duration"))
        if "seed" not in given:
            given["seed"] = draw_seed()
        shot = Shot(has_image=image is not None, **given)
        return CheckedShot(shot=shot, image=image, ignored=self.ignored(fields))

    def ignored(self, fields: Mapping[str, object]) -> tuple[str, ...]:
        """The keys of `fields` that this model does not know, or that lost against another spelling."""
        if fields.keys() <= {parameter.name for parameter in self.parameters}:
            return ()  # the usual case, and read at every poll
        used = set()
        for parameter in self.parameters:
            sent = [key for key in parameter.keys if key in fields]
            used.update(next(([key] for key in sent if not absent(fields[key])), sent))
        return tuple(key for key in fields if key not in used)

    def demands(self) -> Demands:
        image, ratios = self.parameter("image"), self.parameter("aspect_ratio")
        duration = self.parameter("duration")
        lengths = [Shot().seconds]
        if duration is not None:
            lengths = [int(option) for option in duration.options] or [
                int(duration.max_value or Shot().seconds)
            ]
        return Demands(
            text_to_video=image is None or not image.required,
            image_to_video=image is not None,
            sound=self.parameter("sound") is not None,
            aspect_ratios=ratios.options if ratios is not None else (),
            max_seconds=max(lengths),
        )

    def parameter_rows(self) -> list[ParameterRow]:
        return [
            ParameterRow(p.name, p.type, p.required, _default_text(p), p.limits(), p.description)
            for p in self.parameters
        ]


def _default_text(parameter: Parameter) -> str:
    if parameter.type == "boolean":
        return "on" if parameter.default else "off"
    return "" if parameter.default is None else str(parameter.default)
