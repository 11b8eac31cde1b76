from __future__ import annotations

from pathlib import Path

import pytest

from rushes.core.audit import Stage
from rushes.core.errors import SetupError
from rushes.core.shot import Shot
from rushes.policies.base import PASS, Case, Policy, Verdict, make_policy

LIST = """\
# words and patterns
gore
Celebrity  Name
straße

/\\bnud(e|ity)\\b/
"""


@pytest.fixture
def words(tmp_path: Path) -> Path:
    path = tmp_path / "words.txt"
    path.write_text(LIST, "utf-8")
    return path


def ask(policy: Policy, prompt: str, stage: Stage = Stage.SUBMIT) -> Verdict:
    return policy.judge(Case(stage=stage, request_id="r", owner="ann", model="m", shot=Shot(prompt=prompt)))


@pytest.mark.parametrize(
    "prompt",
    [
        "much gore, please",
        "GORE",
        "ｇｏｒｅ",
        "celebrity name waves",
        "a Celebrity\nName",
        "auf der STRASSE",
        "Nudity",
        "(gore)",
    ],
)
def test_listed_words_are_refused_without_being_told(words: Path, prompt: str) -> None:
    verdict = ask(make_policy("blocklist", {"file": str(words)}), prompt)
    assert verdict.refusal == "the prompt asks for something that is not made here"
    assert verdict.tags == ()


@pytest.mark.parametrize(
    "prompt", ["", "a gorecki symphony", "a celebrity without name", "denuded hills", "#"]
)
def test_other_prompts_pass(words: Path, prompt: str) -> None:
    assert ask(make_policy("blocklist", {"file": str(words)}), prompt) == PASS


def test_it_may_tag_instead(words: Path) -> None:
    policy = make_policy("blocklist", {"file": str(words), "tag": "look at it"})
    assert ask(policy, "gore") == Verdict(tags=("look at it",))
    assert ask(policy, "hills") == PASS


def test_only_the_prompt_is_judged_and_only_once(words: Path) -> None:
    policy = make_policy("blocklist", {"file": str(words)})
    assert ask(policy, "gore", Stage.RESULT) == PASS


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "wrong options"),
        ({"file": 3}, "wrong options"),
        ({"file": "/x", "colour": "red"}, r"unknown options \['colour'\]"),
        ({"file": "/nowhere/words"}, "/nowhere/words cannot be read"),
    ],
)
def test_wrong_options_stop_the_start(options: dict[str, object], told: str) -> None:
    with pytest.raises(SetupError, match=told):
        make_policy("blocklist", options)


def test_a_broken_pattern_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("fine\n/(/\n")
    with pytest.raises(SetupError, match=r"words\.txt, line 2: /\(/ is no regular expression"):
        make_policy("blocklist", {"file": str(path)})


def test_a_policy_that_is_not_installed_stops_the_start() -> None:
    with pytest.raises(SetupError, match=r"policy 'blocklst' is not installed; installed: .*blocklist"):
        make_policy("blocklst", {})
