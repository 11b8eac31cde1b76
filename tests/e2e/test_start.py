"""Starts that must not succeed say why in a sentence, and leave what they found as it was; others serve as they are
told to."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.served import GMI, refused, refused_here, serve
from tests.tls import self_signed


def test_a_second_server_on_the_folder_is_refused(data: Path) -> None:
    with serve(data, workers=0) as first:
        said = refused(data)
        assert f"another 'rushes serve' (process {first.process.pid}) runs on the data folder {data}" in said
        assert "Stop it first" in said
        assert first.call("GET", f"{GMI}/models").status_code == 200
        assert first.stop() == 0
    with serve(data, workers=0) as again:
        assert again.call("GET", "/healthz").status_code == 200


def test_a_taken_port_is_refused(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused_here(data, port=port)
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in said
        assert "--port" in said


def test_a_data_folder_that_is_a_file_is_refused(data: Path) -> None:
    data.write_text("a letter")
    said = refused_here(data)
    assert f"the data folder {data} cannot be written" in said
    assert data.read_text() == "a letter"


@pytest.mark.parametrize(
    "damage",
    [b"no database at all " * 500, b"SQLite format 3\0" + bytes(range(256)) * 64],
    ids=["other file", "torn"],
)
def test_a_corrupt_ledger_is_refused_and_untouched(data: Path, damage: bytes) -> None:
    data.mkdir()
    ledger = data / "ledger.sqlite3"
    ledger.write_bytes(damage)
    said = refused_here(data)
    assert f"ledger {ledger} is damaged" in said
    assert "restore a backup" in said
    assert ledger.read_bytes() == damage
    assert not list(data.glob("ledger.sqlite3-*"))


def test_a_ledger_broken_in_the_middle_is_refused_and_untouched(data: Path) -> None:
    with serve(data, workers=0) as server:
        for number in range(30):
            server.submit({"prompt": f"shot {number}" + "x" * 2000})
        assert server.stop() == 0
    ledger = data / "ledger.sqlite3"
    whole = bytearray(ledger.read_bytes())
    whole[4096 * 3 : 4096 * 9] = os.urandom(4096 * 6)
    ledger.write_bytes(whole)
    assert "is damaged" in refused_here(data)
    assert ledger.read_bytes() == whole


def test_a_corrupt_secret_is_refused(data: Path) -> None:
    data.mkdir()
    (data / "secret").write_text("not hex")
    assert "the signing secret" in refused_here(data)
    assert (data / "secret").read_text() == "not hex"


def test_other_machines_need_a_chosen_key(data: Path) -> None:
    said = refused_here(data, host="0.0.0.0", api_key="")
    assert "no key was chosen" in said
    assert "rushes keys create" in said


def test_the_first_key_opens_and_stays(data: Path) -> None:
    with serve(data, workers=0, api_key="") as server:
        key = (data / "key").read_text().strip()
        headers = {"authorization": f"Bearer {key}"}
        assert server.http.get(f"{GMI}/models", headers=headers).status_code == 200
        assert (data / "key").stat().st_mode & 0o777 == 0o600
        assert (data / "secret").stat().st_mode & 0o777 == 0o600
        assert server.stop() == 0
    with serve(data, workers=0, api_key="") as server:
        assert (data / "key").read_text().strip() == key
        assert server.http.get(f"{GMI}/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"port": "many"}, "port (from RUSHES_PORT)"),
        ({"prot": 1}, "RUSHES_PROT names no setting"),
        ({"fetch_allow": "nowhere"}, "fetch_allow"),
        ({"tls_cert": "/dev/null"}, "tls_key is not"),
        ({"tls_cert": "/dev/null", "tls_key": "/dev/null"}, "cannot be used"),
        ({"api_key": "short"}, "api_key"),
    ],
)
def test_a_wrong_setting_is_refused(data: Path, settings: dict[str, object], text: str) -> None:
    assert text in refused_here(data, **settings)


@pytest.mark.parametrize(
    ("card", "text"),
    [
        ('id = "kling-v2-6"\n[engine]\nname = "nobody"\n', "nobody"),
        ('id = "kling-v2-6"\n[engine]\nname = "animatic"\nheigth = 3\n', "heigth"),
        ("no toml", "card"),
    ],
)
def test_a_wrong_card_is_refused(data: Path, card: str, text: str) -> None:
    cards = data.with_name("cards")
    cards.mkdir()
    (cards / "own.toml").write_text(card)
    assert text in refused_here(data, cards=cards)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return self_signed(tmp_path)


def test_https_with_a_certificate(data: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    trust = ssl.create_default_context(cafile=str(cert))
    with serve(data, verify=trust, workers=0, tls_cert=cert, tls_key=key) as server:
        assert server.url.startswith("https://127.0.0.1:")
        assert server.call("GET", f"{GMI}/models").status_code == 200
        links = server.call("POST", f"{GMI}/upload-url", {"file_type": "png"}).json()
        assert links["upload_url"].startswith(server.url)
        assert server.stop() == 0


def test_a_key_of_another_certificate_is_refused(data: Path, certificate: tuple[Path, Path]) -> None:
    cert, _ = certificate
    said = refused_here(data, tls_cert=cert, tls_key=cert)
    assert "cannot be used" in said
    assert "the key must belong to the certificate" in said


# -- a disk that is full -----------------------------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A volume of 24 MB."""
    volume = tmp_path / "volume"
    volume.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(volume)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only the superuser can mount a small volume")
    yield volume
    subprocess.run(["umount", "--lazy", str(volume)], check=True)


def fill(volume: Path) -> Path:
    """A file that takes all that is left."""
    ballast = volume / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def test_a_full_disk_loses_nothing(tiny: Path, colour: Path) -> None:
    data = tiny / "data"
    with serve(data, cards=colour, intake=0) as server:
        before = server.submit({"prompt": "a boat", "seed": 1})
        assert server.ended(before)["status"] == "success"
        ballast = fill(tiny)
        answers = [
            server.call("POST", f"{GMI}/requests", {"model": "kling-v2-6", "payload": {"prompt": "x" * 2000}})
            for _ in range(20)
        ]
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert answers[-1].status_code == 503
        assert "error" in answers[-1].json()
        assert server.record(before)["status"] == "success"
        assert server.call("GET", "/healthz").status_code == 200
        assert len(server.fetch(server.record(before)["outcome"]["video_url"]).content) > 1000
        ballast.unlink()
        accepted = [answer.json()["request_id"] for answer in answers if answer.status_code == 200]
        accepted.append(server.submit({"prompt": "a boat"}))
        for request_id in accepted:
            assert server.ended(request_id, 60)["status"] == "success"
        total = server.call("GET", f"{GMI}/requests").json()["total"]
        assert total == len(accepted) + 1


def test_a_start_on_a_full_disk_is_refused(tiny: Path) -> None:
    fill(tiny)
    said = refused(tiny / "data")
    assert "cannot be written" in said or "disk is full" in said or "No space left" in said
    assert (tiny / "ballast").exists()
