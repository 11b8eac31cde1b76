"""What an engine shows of a clip that is still being made: newest only, marked, on its way to the client, and in nobody's
way."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rushes.core.errors import SetupError
from rushes.core.request import Lease
from rushes.core.shot import Shot
from rushes.media.provenance import read_mark
from rushes.policies.panel import Panel
from rushes.store.base import StoredObject
from rushes.store.objects import FolderStore
from rushes.worker.messages import LIVE_PREVIEW, Making
from rushes.worker.showing import FAREWELL, Showing
from rushes.worker.studio import StudioControl
from tests.installed import install_plugins
from tests.plugins import hooks
from tests.plugins.judges import Judge
from tests.worker.house import House, eventually
from tests.worker.test_loop import working

LEASE = Lease(
    request_id="r",
    fence=3,
    owner="ann",
    model="m",
    worker="w",
    shot=Shot(),
    image_key=None,
    failures=0,
    lease_seconds=30,
)


class QuietDesk:
    """A desk at which nobody cancels and nobody listens."""

    def cancelled(self, ticket: int) -> bool:
        return False

    def tell(self, answer: Any) -> None:
        """Nobody listens."""


def control(folder: Path | None) -> StudioControl:
    return StudioControl(QuietDesk(), 1, folder, "algorithmicMedia")  # type: ignore[arg-type]


def picture(level: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.full((30, 50, 3), level, np.uint8)


def level(data: bytes) -> float:
    with Image.open(io.BytesIO(data)) as image:
        return float(np.asarray(image).mean())


def test_each_preview_replaces_the_last_and_says_that_a_machine_made_it(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    for shade in (40, 200):
        control(folder).preview(picture(shade))
    (shown,) = folder.iterdir()
    assert shown.name == LIVE_PREVIEW
    with Image.open(shown) as image:
        assert image.size == (50, 30)
    assert abs(level(shown.read_bytes()) - 200) < 3
    mark = read_mark(shown)
    assert mark is not None
    assert mark["source"] == "algorithmicMedia"


def test_while_loading_there_is_nowhere_to_show_anything() -> None:
    control(None).preview(picture(0))


def keys(store: FolderStore) -> list[str]:
    return sorted(stored.key for stored in store.list("r/"))


def test_each_picture_has_a_key_of_its_own_and_the_newest_two_are_kept(tmp_path: Path) -> None:
    store, told = FolderStore(tmp_path / "files"), list[str]()
    with Showing(store, LEASE, tmp_path, every=0.001, show=told.append):
        for number in range(1, 5):
            control(tmp_path).preview(picture(40 * number))
            eventually(lambda count=number: len(told) == count, f"picture {number}")
            assert abs(level(store.get(told[-1])) - 40 * number) < 3
            eventually(lambda: keys(store) == told[-2:], "removal of the older ones")
        assert told == [f"r/3.live{number}.jpg" for number in range(1, 5)]
    assert keys(store) == []


def test_a_picture_is_stored_once(tmp_path: Path) -> None:
    looked = threading.Semaphore(0)

    class Counting(FolderStore):
        def put(self, key: str, data: bytes | Path) -> StoredObject:
            looked.release()
            return super().put(key, data)

    control(tmp_path).preview(picture(9))
    with Showing(Counting(tmp_path / "files"), LEASE, tmp_path, every=0.001, show=lambda key: None):
        assert looked.acquire(timeout=20)
        assert not looked.acquire(timeout=0.05)


def test_a_store_that_fails_ends_the_showing_and_nothing_else(tmp_path: Path) -> None:
    tries = list[str]()

    class Broken(FolderStore):
        def put(self, key: str, data: bytes | Path) -> StoredObject:
            tries.append(key)
            raise SetupError("read only")

    showing = Showing(Broken(tmp_path / "files"), LEASE, tmp_path, every=0.001, show=tries.append)
    with showing:
        control(tmp_path).preview(picture(9))
        eventually(lambda: not showing._thread.is_alive(), "end of the showing")
    assert tries == ["r/3.live1.jpg"]


def test_a_store_that_hangs_holds_nobody_up(tmp_path: Path) -> None:
    putting, go_on = threading.Event(), threading.Event()

    class Hanging(FolderStore):
        def put(self, key: str, data: bytes | Path) -> StoredObject:
            putting.set()
            assert go_on.wait(20)
            return super().put(key, data)

    store = Hanging(tmp_path / "files")
    control(tmp_path).preview(picture(9))
    showing = Showing(store, LEASE, tmp_path, every=0.001, show=lambda key: None)
    with showing:
        assert putting.wait(20)
    assert showing._thread.is_alive(), f"left after {FAREWELL} s"
    go_on.set()
    eventually(lambda: not showing._thread.is_alive(), "end of the showing")
    assert keys(store) == []


def test_the_request_names_what_is_to_be_seen_as_long_as_it_is_made(house: House) -> None:
    with working(house, beat_seconds=0.02):
        request_id = house.submit("show")
        house.told("half")
        key = eventually(lambda: house.ledger.get(request_id).live_preview, "live preview")
        with Image.open(io.BytesIO(house.store.get(key))) as image:
            assert image.size == (32, 18)
        house.signal("go on")
        request = house.assert_one_result(request_id)
        assert request.live_preview is None
        eventually(lambda: len(house.files(request_id)) == 3, "removal of the live previews")


def test_what_a_cancel_leaves_is_removed(house: House) -> None:
    with working(house, beat_seconds=0.02):
        request_id = house.submit("show")
        eventually(lambda: house.ledger.get(request_id).live_preview, "live preview")
        house.ledger.cancel(request_id)
        eventually(lambda: house.files(request_id) == [], "removal of the live previews")


def test_a_live_preview_that_a_killed_worker_left_is_garbage_once_the_request_has_ended(house: House) -> None:
    request_id = house.submit()
    lease = house.ledger.claim("w", ["colour-card"]).lease
    assert lease is not None
    key = f"{request_id}/{lease.fence}.live7.jpg"
    assert house.ledger.garbage([key]) == ()
    house.ledger.cancel(request_id)
    assert house.ledger.garbage([key]) == (key,)


@pytest.mark.parametrize("guard", ["policy", "frame hook"])
def test_nobody_sees_what_policy_and_frame_hook_have_not_seen(
    house: House, guard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, hook = Path(hooks.__file__).parent, {"rushes.frames": "stamp = hooks:stamp"}
    install_plugins(house.data / "hooks", monkeypatch, home=home, name="rushes-test-hooks", groups=hook)
    judge = Judge({"stage": "result", "mood": "bright"})
    guarded: dict[str, Any] = (
        {"panel": Panel({"judge": judge}, house.ledger.record)}
        if guard == "policy"
        else {"making": Making(frame_hook="stamp")}
    )
    with working(house, beat_seconds=0.02, **guarded):
        request_id = house.submit("show")
        house.told("half")
        seen = house.ledger.get(request_id).revision
        eventually(lambda: house.ledger.get(request_id).revision > seen + 3, "three beats")
        assert house.ledger.get(request_id).live_preview is None
        assert house.files(request_id) == []
        house.signal("go on")
        house.ended(request_id)
