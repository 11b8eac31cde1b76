"""Policies for tests: one that does what the prompt says at the stage it is told, and keeps what it saw."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rushes.core.audit import Stage
from rushes.policies.base import PASS, Case, Verdict


class Judge:
    """Options: `stage` at which it acts (elsewhere it passes), `folder` for marks, `mood` instead of the prompt."""

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        told = dict(options or {})
        self.stage = Stage(told.get("stage", "submit"))
        self.folder = Path(told["folder"]) if "folder" in told else None
        self.mood = told.get("mood")
        self.seen: list[Case] = []
        self.go = threading.Event()

    def judge(self, case: Case) -> Verdict:
        self.seen.append(case)
        if case.stage is not self.stage:
            return PASS
        if self.folder is not None:
            with (self.folder / f"judged {case.stage}").open("a") as file:
                file.write(f"{case.request_id}\n")
        match self.mood or case.shot.prompt:
            case "refused":
                return Verdict(refusal="not this", tags=("no",))
            case "tagged":
                return Verdict(tags=("sea", "night"))
            case "bright" if (pixels := case.pixels()) is not None:
                return Verdict(tags=("bright" if pixels.mean() > 100 else "dark",))
            case "broken":
                raise ValueError("no idea")
            case "silly":
                return "yes"  # type: ignore[return-value]
            case "exit":
                raise SystemExit(1)
            case "shouting":
                return Verdict(tags=("x" * 100,))
            case "hang":
                self.go.wait()
        return PASS
