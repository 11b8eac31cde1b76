"""`rushes doctor` on what judges and signs, and the certificate that it makes to try with."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from rushes.core.audit import Decision, Stage
from rushes.settings import Settings
from rushes.wiring.house import open_ledger
from tests.cli.conftest import Rushes


def finding(rushes: Rushes, name: str, *words: object, status: int = 0) -> dict[str, str]:
    told = json.loads(rushes("doctor", "--port", 0, *words, "--json", status=status).stdout)
    (found,) = [entry for entry in told if entry["name"] == name]
    return dict(found)


def test_the_test_certificate_signs(rushes: Rushes, tmp_path: Path) -> None:
    folder = tmp_path / "certificate"
    told = rushes("doctor", "--make-test-certificate", folder).stdout
    assert told == f'c2pa_cert = "{folder}/chain.pem"\nc2pa_key = "{folder}/key.pem"\n'
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    pair = ("--c2pa-cert", folder / "chain.pem", "--c2pa-key", folder / "key.pem")
    assert finding(rushes, "signing", *pair)["level"] == "ok"
    wrong = finding(rushes, "signing", *pair, "--c2pa-alg", "ps256", status=1)
    assert wrong["level"] == "fail"
    assert "c2pa_alg" in wrong["advice"]


def test_its_files_are_never_written_over(rushes: Rushes, tmp_path: Path) -> None:
    rushes("doctor", "--make-test-certificate", tmp_path)
    key = (tmp_path / "key.pem").read_bytes()
    rushes("doctor", "--make-test-certificate", tmp_path, status=1)
    assert (tmp_path / "key.pem").read_bytes() == key


def test_policies_and_frame_hooks_are_looked_at(rushes: Rushes, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("gore\n")
    options = json.dumps({"blocklist": {"file": str(words)}})
    assert (
        finding(rushes, "policies", "--policies", "blocklist", "--policy-options", options)["level"] == "ok"
    )
    assert finding(rushes, "policies", "--policies", "blocklist", status=1)["level"] == "fail"
    assert "is not installed" in finding(rushes, "frames", "--frame-hook", "stmp", status=1)["text"]


def test_the_audit_is_shown_for_one_or_all(rushes: Rushes, data: Path) -> None:
    settings = Settings.load({"data": str(data)}, environ={})
    with open_ledger(settings) as ledger:
        for request_id in ("first", "second"):
            ledger.record(
                [
                    Decision(
                        request_id=request_id,
                        owner="ann",
                        policy="looks",
                        stage=Stage.RESULT,
                        decision="refuse",
                        reason="too dark",
                        tags=("night",),
                    )
                ]
            )
    (entry,) = json.loads(rushes("audit", "first", "--json").stdout)
    assert (entry["request_id"], entry["stage"], entry["decision"]) == ("first", "result", "refuse")
    shown = rushes("audit").stdout
    assert shown.index("second") < shown.index("first")
    assert "too dark" in shown
    assert "too dark" not in rushes("audit", "none-such").stdout
