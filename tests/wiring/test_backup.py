"""A backup shows nothing that it does not hold, whatever happens while it is made; what comes back is the same."""

from __future__ import annotations

import shutil
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rushes.core.errors import SetupError
from rushes.core.request import Status
from rushes.settings import Settings
from rushes.wiring import backup
from rushes.wiring.backup import back_up, bring_back
from tests.server.site import FIXED_KEY, GMI, Account, Site, open_site

WRITERS = 3


def settings(data: Path) -> Settings:
    return Settings.load(flags={"data": str(data)}, environ={})


@contextmanager
def filled(data: Path, results: int = 2) -> Iterator[Site]:
    """A house with results, one that failed, one that waits, an input image and an upload."""
    with open_site(data, workers=0) as site:
        ann = Account(site, "default", FIXED_KEY)
        for _ in range(results):
            finish_one(site, ann)
        with_image = ann.submitted({"prompt": "a boat", "image": "http://93.184.216.34/a.png"})
        site.take_in(with_image)
        site.house.store.put("uploads/somebody/1.png", b"an upload")
        yield site


def finish_one(site: Site, account: Account) -> str:
    account.submitted()
    lease = site.house.ledger.claim("test", ["kling-v2-6"]).lease
    assert lease is not None
    site.finish(lease, video=lease.request_id.encode() * 50)
    return lease.request_id


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["copy", "copy.tar"])
def test_what_is_restored_is_what_was(tmp_path: Path, name: str) -> None:
    with filled(tmp_path / "data") as site:
        ann = Account(site, "default", FIXED_KEY)
        before = ann.get(f"{GMI}/requests").json()
        link = next(r for r in before["requests"] if r["status"] == "success")["outcome"]["video_url"]
        video = site.client.get(link).content
        (tmp_path / "data" / "cards" / "own.toml").write_text(
            'id = "kling-v2-6"\n[engine]\nname = "animatic"\n'
        )
        copied = back_up(settings(tmp_path / "data"), tmp_path / "kept" / name)
    assert (copied.requests, copied.expired, copied.missing) == (3, 0, ())
    assert copied.files == 2 * 3 + 1 + 1
    shutil.rmtree(tmp_path / "data")
    assert bring_back(tmp_path / "kept" / name, settings(tmp_path / "again")) == copied
    with open_site(tmp_path / "again", workers=0) as site:
        assert Account(site, "default", FIXED_KEY).get(f"{GMI}/requests").json() == before
        assert site.client.get(link).content == video, "links given out before still work"
        assert site.house.store.get("uploads/somebody/1.png") == b"an upload"
        assert (tmp_path / "again" / "cards" / "own.toml").exists()


def test_a_folder_on_the_same_disk_shares_the_bytes_and_stays_what_it_is(tmp_path: Path) -> None:
    with filled(tmp_path / "data") as site:
        back_up(settings(tmp_path / "data"), tmp_path / "copy")
        kept = contents(tmp_path / "copy")
        videos = list((tmp_path / "copy" / "files").rglob("1.mp4"))
        assert [video.stat().st_nlink for video in videos] == [2, 2]
        for stored in list(site.house.store.list()):
            site.house.store.put(stored.key, b"other bytes")
            site.house.store.delete(stored.key)
        assert contents(tmp_path / "copy") == kept
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o700


def test_a_backup_while_results_come_in_holds_every_result_it_shows(tmp_path: Path) -> None:
    """Each copy is taken in the middle of submits and finishes; each must stand alone."""
    stop = threading.Event()
    with filled(tmp_path / "data") as site:
        made: list[str] = []
        accounts = [site.account(f"writer-{number}") for number in range(WRITERS)]

        def write(account: Account) -> None:
            while not stop.is_set():
                made.append(finish_one(site, account))

        writers = [threading.Thread(target=write, args=[account]) for account in accounts]
        for writer in writers:
            writer.start()
        try:
            copies = []
            for number in range(4):
                seen = len(made)
                copies.append(back_up(settings(tmp_path / "data"), tmp_path / f"copy-{number}"))
                while len(made) <= seen:
                    assert all(writer.is_alive() for writer in writers)
        finally:
            stop.set()
            for writer in writers:
                writer.join()
    assert [copied.missing for copied in copies] == [()] * 4
    sizes = [copied.requests for copied in copies]
    assert sizes == sorted(set(sizes)), "the house went on between the copies"
    for number in range(4):
        bring_back(tmp_path / f"copy-{number}", settings(tmp_path / f"again-{number}"))


def test_what_retention_removes_meanwhile_is_expired_in_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_site(tmp_path / "data", workers=0, keep_days=1e-9) as site:
        ann = Account(site, "default", FIXED_KEY)
        gone = finish_one(site, ann)
        copy_files = backup._copy_files

        def swept_first(*given: object) -> object:
            for stored in list(site.house.store.list(f"{gone}/")):
                site.house.store.delete(stored.key)
            return copy_files(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(backup, "_copy_files", swept_first)
        copied = back_up(settings(tmp_path / "data"), tmp_path / "copy")
        assert (copied.expired, copied.missing) == (1, ())
        assert site.house.ledger.get(gone).expired_at is None, "the original is not touched"
    bring_back(tmp_path / "copy", settings(tmp_path / "again"))
    with open_site(tmp_path / "again", workers=0) as site:
        request = site.house.ledger.get(gone)
        assert request.status is Status.SUCCESS
        assert request.expired_at is not None


def test_a_file_that_was_lost_before_is_told(tmp_path: Path) -> None:
    with filled(tmp_path / "data") as site:
        lost = finish_one(site, Account(site, "default", FIXED_KEY))
        site.house.store.delete(f"{lost}/1.mp4")
        copied = back_up(settings(tmp_path / "data"), tmp_path / "copy")
    assert copied.missing == (f"{lost}/1.mp4",)
    assert bring_back(tmp_path / "copy", settings(tmp_path / "again")) == copied


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    with filled(tmp_path / "data", results=1):
        back_up(settings(tmp_path / "data"), tmp_path / "copy")
    return tmp_path / "copy"


def refused(source: Path, data: Path, words: str) -> None:
    with pytest.raises(SetupError, match=words):
        bring_back(source, settings(data))
    left = [path.name for path in data.parent.iterdir() if path.name.startswith((".", data.name))]
    assert left == ([data.name] if data.exists() else [])


def test_a_damaged_backup_is_refused_and_leaves_nothing(copy: Path, tmp_path: Path) -> None:
    video = next((copy / "files").rglob("1.mp4"))
    video.unlink()
    refused(copy, tmp_path / "again", "lacks the file .*1.mp4")


def test_a_torn_ledger_is_refused(copy: Path, tmp_path: Path) -> None:
    ledger = copy / "ledger.sqlite3"
    ledger.write_bytes(ledger.read_bytes()[:5000] + b"\x17" * 4000)
    refused(copy, tmp_path / "again", "is damaged")


def test_other_bytes_than_the_ledger_says_are_refused(tmp_path: Path) -> None:
    with open_site(tmp_path / "data", workers=0) as site:
        request_id = finish_one(site, Account(site, "default", FIXED_KEY))
        site.house.ledger.db.write(
            lambda connection: (
                connection.exec_driver_sql(
                    "UPDATE requests SET outcome = json_set(outcome, '$.sha256', 'of other bytes')"
                ).rowcount
            )
        )
        back_up(settings(tmp_path / "data"), tmp_path / "copy")
    refused(tmp_path / "copy", tmp_path / "again", f"{request_id}/1.mp4 has other bytes")


def test_a_folder_in_use_is_never_written(copy: Path, tmp_path: Path) -> None:
    before = contents(tmp_path / "data")
    refused(copy, tmp_path / "data", "is not empty")
    assert contents(tmp_path / "data") == before


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", tmp_path / "again", "no readable backup.json")
    (tmp_path / "file.tar").write_text("a letter")
    refused(tmp_path / "file.tar", tmp_path / "again", "is no backup")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        info = tarfile.TarInfo("../outside")
        tar.addfile(info)
    refused(tmp_path / "evil.tar", tmp_path / "again", "is no backup")
    assert not (tmp_path / "outside").exists()
    refused(tmp_path / "nothing", tmp_path / "again", "cannot be restored")


def test_a_backup_writes_over_nothing_and_needs_a_house(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="exists already"):
        back_up(settings(tmp_path / "data"), copy)
    with pytest.raises(SetupError, match="there is no ledger"):
        back_up(settings(tmp_path / "nowhere"), tmp_path / "another")
    assert not (tmp_path / "another").exists()


def test_a_ledger_elsewhere_must_be_moved_by_hand(copy: Path, tmp_path: Path) -> None:
    elsewhere = Settings.load(
        flags={"data": str(tmp_path / "again"), "ledger": f"sqlite:///{tmp_path}/other.sqlite3"}, environ={}
    )
    with pytest.raises(SetupError, match="a backup brings its own"):
        bring_back(copy, elsewhere)
