"""Where settings come from: what each source gives, and the sentence that a wrong value gets."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from rushes.core.errors import SetupError
from rushes.settings.kinds import allowed

ENV_PREFIX: Final = "RUSHES_"
TESTS_PREFIX: Final = "RUSHES_TEST_"
CONFIG_FILE: Final = "rushes.toml"


class Given(NamedTuple):
    """A value as written, and where."""

    value: object
    source: str


def flag(name: str) -> str:
    return name.replace("_", "-")


def variable(name: str) -> str:
    return ENV_PREFIX + name.upper()


def from_flags(flags: Mapping[str, object]) -> dict[str, Given]:
    """By field name; None was not given."""
    return {name: Given(value, f"--{flag(name)}") for name, value in flags.items() if value is not None}


def from_file(config: Path | None, names: Collection[str]) -> dict[str, Given]:
    """`config`, which must be there, or the file in the working folder, which need not."""
    path = config or Path(CONFIG_FILE)
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        if config is None:
            return {}
        raise SetupError(
            f"the settings file {path} does not exist", advice="Check the path after --config."
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SetupError(
            f"the settings file {path} cannot be read: {error}", advice="Write `name = value` lines in TOML."
        ) from error
    for name in table:
        _known(name, names, f"the key '{name}' in {path}")
    return {name: Given(value, f"{name} in {path}") for name, value in table.items()}


def from_environment(environ: Mapping[str, str], names: Collection[str]) -> dict[str, Given]:
    """Empty variables count as not set, as container files often pass them. What steers the test suite is no
    setting, and a server that it starts inherits it."""
    given = {}
    for key, value in environ.items():
        if key.startswith(ENV_PREFIX) and not key.startswith(TESTS_PREFIX) and value != "":
            name = key.removeprefix(ENV_PREFIX).lower()
            _known(name, names, f"the variable {key}", variable)
            given[name] = Given(value, key)
    return given


def _known(name: str, names: Collection[str], where: str, spelt: Callable[[str], str] = str) -> None:
    if name in names:
        return
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    advice = f"Did you mean {spelt(near[0])}?" if near else "docs/settings.md lists the settings."
    raise SetupError(f"{where} names no setting", advice=advice)


def refusal(
    error: ValidationError, given: Mapping[str, Given], fields: Mapping[str, FieldInfo]
) -> SetupError:
    """The first wrong value, as a sentence for the person who wrote it. Secrets are not repeated."""
    problem = next(p for p in error.errors() if p["type"] != "default_factory_not_called")
    name = str(problem["loc"][0])
    entry, field = given[name], fields[name]
    value = "the value" if "SecretStr" in repr(field.annotation) else repr(entry.value)
    reason = str(problem["ctx"]["error"]) if problem["type"] == "value_error" else ""
    sentence = f"{name} (from {entry.source}): {value} is not allowed" + (f": {reason}" if reason else "")
    return SetupError(sentence, advice=f"Allowed: {allowed(field)}. Example: {(field.examples or [''])[0]}.")
