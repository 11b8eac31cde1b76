"""One parameter of a model card, and the tolerant reading of what clients put there.

Clients of the hosted services send the same wish in many spellings: "5", 5 or 5.0 seconds, "on" or true, null for
nothing. `Parameter.read` brings each to one value of one type or raises `InvalidShot` naming the key, the value and
the choice. It never raises anything else, whatever JSON (or any other Python value) is put in.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from rushes.core.errors import InvalidShot

ParameterType = Literal["string", "enum", "integer", "float", "boolean", "image"]
Value: TypeAlias = str | int | float | bool

SOUND_WORDS = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}

INTEGER = r"[+-]?[0-9]{1,18}"
DECIMAL = r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE][+-]?[0-9]{1,3})?"
"""Numbers written as text."""

_INTEGER, _DECIMAL = re.compile(INTEGER), re.compile(DECIMAL)
_WHOLE = re.compile(r"(-?[0-9]{1,9})(?:\.0{1,9})?")


class Parameter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """`name` is canonical (a key of `core.card.CANONICAL`), `aliases` are other keys that mean the same.

    `options` belong to enums; `min_value` and `max_value` are inclusive; `max_length` counts characters.
    `page` is what the vendor's page says where that is wrong or unclear, `erratum` what holds here.
    """

    name: str
    type: ParameterType
    display_name: str
    description: str
    required: bool = False
    default: Value | None = None
    options: tuple[str, ...] = ()
    min_value: int | float | None = None
    max_value: int | float | None = None
    max_length: int | None = None
    aliases: tuple[str, ...] = ()
    page: str = ""
    erratum: str = ""

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that this parameter is read from, the canonical one first."""
        return (self.name, *self.aliases)

    def pick(self, fields: Mapping[str, object]) -> Value | None:
        """The value that counts among `fields` (the canonical key wins), else the default, else None."""
        for key in self.keys:
            value = fields.get(key)
            if value is not None and not absent(value):
                return self.read(value)
        if self.required:
            raise InvalidShot(self.name, "missing", "missing: this model needs it", allowed=self.options)
        default = self.default
        return default if default is None or absent(default) else self.read(default)

    def read(self, value: object) -> Value:
        """`value` (present) as text, a number or a boolean by this parameter's type."""
        match self.type:
            case "string":
                return self._text(value)
            case "image":
                return self._image(value)
            case "enum":
                return self._option(value)
            case "boolean":
                return self._boolean(value)
            case "integer":
                return self._integer(value)
            case "float":
                return self._float(value)

    def limits(self) -> str:
        """The limits as a person reads them: `5 | 10`, `0 … 1`, `at most 2500 characters`."""
        if self.type == "boolean":
            return "on | off"
        if self.options:
            return " | ".join(self.options)
        if self.max_length is not None:
            return f"at most {self.max_length} characters"
        if self.min_value is not None and self.max_value is not None:
            return f"{shown(self.min_value)} … {shown(self.max_value)}"
        return ""

    def _text(self, value: object) -> str:
        if not isinstance(value, str):
            raise self._wrong_type("text", value)
        if not _storable(value):
            raise InvalidShot(self.name, "type", "contains characters that are not text", value=value)
        if self.max_length is not None and len(value) > self.max_length:
            detail = f"has {len(value)} characters"
            raise InvalidShot(self.name, "length", detail, value=value, allowed=(self.limits(),))
        return value

    def _image(self, value: object) -> str:
        if isinstance(value, list | tuple):
            detail = "must be one string, not a list: at most one image"
            raise InvalidShot(self.name, "image", detail, value=value)
        if not isinstance(value, str):
            raise self._wrong_type("one string: a URL, a data URI or Base64", value)
        return self._text(value)

    def _option(self, value: object) -> str:
        for option in self.options:
            if value == option or (_is_number(value) and _same_number(option, value)):
                return option
        raise InvalidShot(self.name, "option", f"is {shown(value)}", value=value, allowed=self.options)

    def _boolean(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.strip().lower() in SOUND_WORDS:
            return SOUND_WORDS[value.strip().lower()]
        raise InvalidShot(self.name, "option", f"is {shown(value)}", value=value, allowed=("on", "off"))

    def _integer(self, value: object) -> int:
        if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._wrong_type("a whole number", value)
        self._check_range(value)
        return value

    def _float(self, value: object) -> float:
        if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
            value = float(value)
        if not isinstance(value, int | float) or isinstance(value, bool) or not _finite(value):
            raise self._wrong_type("a number", value)
        self._check_range(value)
        return float(value)

    def _check_range(self, value: int | float) -> None:
        low, high = self.min_value, self.max_value
        if (low is not None and value < low) or (high is not None and value > high):
            detail = f"is {shown(value)}"
            raise InvalidShot(self.name, "range", detail, value=value, allowed=(self.limits(),))

    def _wrong_type(self, wanted: str, value: object) -> InvalidShot:
        return InvalidShot(self.name, "type", f"must be {wanted}, not {shown(value)}", value=value)


def whole_number(text: str, low: int, high: int) -> int | None:
    """The whole number within `low` … `high` that a query or a header gives, `5` and `5.0` alike; None for all else."""
    found = _WHOLE.fullmatch(text)
    return None if found is None or not low <= int(found[1]) <= high else int(found[1])


def absent(value: object) -> bool:
    """None, "" and blank text all mean that the client said nothing."""
    return value is None or (isinstance(value, str) and (not value or value.isspace()))


def shown(value: object) -> str:
    """`value` short enough for an error message, and safe to encode whatever it is."""
    if isinstance(value, str):
        short = value if len(value) <= 60 else f"{value[:60]}…"
        return f"'{short.encode('utf-8', 'replace').decode()}'"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int) and value.bit_length() > 64:
        return "a huge number"
    if isinstance(value, int | float):
        return str(value).removesuffix(".0")
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, list | tuple) else f"a {type(value).__name__}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same_number(option: str, value: object) -> bool:
    return bool(_INTEGER.fullmatch(option)) and int(option) == value


def _finite(value: int | float) -> bool:
    """False for NaN, infinities and integers beyond what a float can hold."""
    return value.bit_length() <= 64 if isinstance(value, int) else math.isfinite(value)


def _storable(text: str) -> bool:
    """No NUL (databases and file metadata refuse it) and no lone surrogate (it cannot be encoded)."""
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False
