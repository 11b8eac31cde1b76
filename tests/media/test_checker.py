from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rushes.core.card import ImageRules
from rushes.core.errors import BadImage, WorkerLost
from rushes.media.checker import ImageChecker
from rushes.media.inputs import check_image

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched by Linux's means")

RULES = ImageRules()
PATIENCE = 20
"""Seconds after which a test gives up on an event."""


def png(size: tuple[int, int] = (400, 300), mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, "red").save(file, "PNG")
    return file.getvalue()


def child(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def ended(pid: int) -> bool:
    """Wait for the end of a process without reaping it."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], PATIENCE)[0])
    finally:
        os.close(handle)


@pytest.fixture
def make() -> Iterator[Any]:
    made: list[ImageChecker] = []

    def build(**options: Any) -> ImageChecker:
        made.append(ImageChecker(**options))
        return made[-1]

    yield build
    for checker in made:
        checker.stop()


def test_it_answers_as_check_image_does(make: Any) -> None:
    checker = make()
    assert checker.check(png(), RULES) == check_image(png(), RULES)
    with pytest.raises(BadImage, match="image is 299×400: each side must be at least 300 px"):
        checker.check(png((299, 400)), RULES)
    with pytest.raises(BadImage, match="neither JPEG nor PNG"):
        checker.check(b"GIF89a", RULES)


def test_the_child_starts_lazily_and_is_reused(make: Any) -> None:
    checker = make()
    assert checker.pid is None
    with pytest.raises(BadImage, match="must be at most 10 MB"):
        checker.check(bytes(RULES.max_bytes + 1), RULES)
    assert checker.pid is None
    checker.check(png(), RULES)
    first = checker.pid
    checker.check(png(), RULES)
    assert first is not None
    assert checker.pid == first
    assert os.getsid(first) == first  # Ctrl-C in the server's terminal does not reach it


def test_the_child_ends_when_idle_and_the_next_image_starts_another(make: Any) -> None:
    checker = make(idle_seconds=0.02)
    for _ in range(3):
        assert checker.check(png(), RULES).width == 400
        if (pid := checker.pid) is not None:
            assert ended(pid)
        assert checker.pid is None


def test_many_threads_take_turns(make: Any) -> None:
    checker = make()
    widths = list(range(300, 316))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda width: checker.check(png((width, 300)), RULES).width, widths))
    assert found == widths


def test_a_killed_child_is_replaced(make: Any) -> None:
    checker = make()
    checker.check(png(), RULES)
    first = checker.pid
    os.kill(first, signal.SIGKILL)
    assert ended(first)
    assert checker.check(png(), RULES).width == 400
    assert checker.pid != first


def test_a_child_that_dies_once_is_not_blamed_on_the_image(make: Any, tmp_path: Path) -> None:
    """As when the system's memory killer, or a hand, hits the child in the middle of a good image."""
    mark = tmp_path / "died"
    code = f"""
import os, pathlib, sys
if not pathlib.Path({str(mark)!r}).exists():
    sys.stdin.buffer.read(4)
    pathlib.Path({str(mark)!r}).touch()
    os.kill(os.getpid(), 9)
os.execv(sys.executable, [sys.executable, "-m", "rushes.media.checker", *sys.argv[1:]])
"""
    assert make(command=child(code)).check(png(), RULES).width == 400
    assert mark.exists()


def test_an_image_that_crashes_the_decoder_twice_is_bad(make: Any) -> None:
    checker = make(command=child("import os, sys; sys.stdin.buffer.read(4); os.kill(os.getpid(), 11)"))
    with pytest.raises(BadImage, match=r"it crashes the decoder \(code -11\)"):
        checker.check(png(), RULES)


def test_an_image_that_takes_too_long_is_bad(make: Any) -> None:
    checker = make(command=child("import time; time.sleep(600)"), seconds=0.1)
    with pytest.raises(BadImage, match=r"image took longer than 0\.1 s"):
        checker.check(png(), RULES)
    assert checker.pid is None


def test_an_image_that_takes_too_much_memory_is_bad(make: Any) -> None:
    checker = make(memory=200 * 2**20)
    with pytest.raises(BadImage, match="more memory"):
        checker.check(png((6000, 5000), "RGBA"), RULES)
    assert checker.check(png(), RULES).width == 400


@pytest.mark.parametrize("says", [b"\xff\xff\xff\xff", b"\0\0\0\4junk", b"\0\0\1\0short", b""])
def test_a_child_that_talks_nonsense_is_no_answer(make: Any, says: bytes) -> None:
    code = f"import sys; sys.stdin.buffer.read(4); sys.stdout.buffer.write({says!r}); sys.exit(3)"
    with pytest.raises(BadImage, match="crashes the decoder"):
        make(command=child(code)).check(png(), RULES)


def test_stop_ends_the_child(make: Any) -> None:
    checker = make()
    checker.check(png(), RULES)
    pid = checker.pid
    checker.stop()
    assert ended(pid)
    assert checker.pid is None
    with pytest.raises(WorkerLost):
        checker.check(png(), RULES)
    checker.stop()


def test_stop_in_the_middle_of_an_image_does_not_blame_it(make: Any, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    checker = make(command=child(f"import time; open({str(started)!r}, 'w').close(); time.sleep(600)"))
    errors: list[BaseException] = []

    def check() -> None:
        try:
            checker.check(png(), RULES)
        except WorkerLost as error:
            errors.append(error)

    thread = threading.Thread(target=check)
    thread.start()
    started.open().close()  # blocks until the child opens its end
    checker.stop()
    thread.join(PATIENCE)
    assert len(errors) == 1


def test_the_child_dies_with_its_parent() -> None:
    code = """
import io, sys
from PIL import Image
from rushes.media.checker import ImageChecker
from rushes.core.card import ImageRules
file = io.BytesIO()
Image.new("RGB", (400, 300)).save(file, "PNG")
checker = ImageChecker()
checker.check(file.getvalue(), ImageRules())
print(checker.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(child(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        assert ended(pid)


def test_the_child_gets_no_secrets(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSHES_API_KEY", "secret-of-the-server")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-store")
    checker = make()
    checker.check(png(), RULES)
    seen = Path(f"/proc/{checker.pid}/environ").read_bytes()
    assert b"PATH=" in seen
    assert b"secret-of" not in seen
