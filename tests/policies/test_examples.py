"""The examples of the written pages run as they stand there."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rushes.core.audit import Stage
from rushes.core.shot import Shot
from rushes.engines.base import Plan
from rushes.engines.hook import hooked
from rushes.policies.base import PASS, Case

DOCS = Path(__file__).parents[2] / "docs"


def example(page: str) -> dict[str, Any]:
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), re.S)
    names: dict[str, Any] = {}
    exec(compile(code, page, "exec"), names)
    return names


@pytest.mark.parametrize(("light", "refusal"), [(0, "nothing can be seen"), (90, None)])
def test_the_policy_of_the_page(light: int, refusal: str | None) -> None:
    file = io.BytesIO()
    Image.new("RGB", (32, 32), (light, light, light)).save(file, "JPEG")
    policy = example("policies.md")["TooDark"]({})
    told = {"request_id": "r", "owner": "ann", "model": "m", "shot": Shot(), "picture": file.getvalue()}
    assert policy.judge(Case(stage=Stage.RESULT, **told)).refusal == refusal
    assert policy.judge(Case(stage=Stage.SUBMIT, **told)) == PASS


def test_the_frame_hook_of_the_page() -> None:
    hook = example("provenance.md")["make_hook"]("r", Shot(), Plan(32, 32, 1, 1))
    (made,) = hooked(iter([np.zeros((32, 32, 3), np.uint8)]), hook, "corner")
    assert made.sum() == 16 * 16 * 3 * 255
