"""Strangers' images are decoded in a process of their own, so that a decoder's bug, a memory bomb or a picture that
takes forever ends that process and nothing else.

`ImageChecker.check` has the signature of `check_image`. The child is started by the first image, serves one at a
time, and ends after a while without work. Three things end it early: a limit on its memory, the deadline per image
(the parent kills it, and as a second net the kernel does by processor time), and the end of its parent, which it
sees as the end of its standard input. It sees no secrets: of the environment it gets what Python needs to start.

Either way across the pipe goes one message: its length in four bytes, then MessagePack.
"""

from __future__ import annotations

import os
import queue
import resource
import struct
import subprocess
import sys
import threading
import traceback
from typing import IO, TypeVar

import msgspec

from rushes.core.card import ImageRules
from rushes.core.errors import BadImage, WorkerLost
from rushes.media.inputs import CheckedImage, check_image

SECONDS = 20.0
IDLE_SECONDS = 60.0
MEMORY = 2 * 2**30
"""Bytes of address space; the largest image within the limits needs about a third of it."""
MAX_MESSAGE = 128 * 2**20
TRIES = 2
"""A child that dies is blamed on the image only the second time: someone else may have killed the first."""

_COMMAND = (sys.executable, "-m", "rushes.media.checker")
_KEPT_ENVIRONMENT = (
    "PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "LANG",
    "TMPDIR",
)
_LENGTH = struct.Struct(">I")
_IDLE_END = 0

Message = TypeVar("Message")


class _Job(msgspec.Struct, frozen=True):
    data: bytes
    rules: ImageRules


class _Answer(msgspec.Struct, frozen=True):
    """Either the checked image or the sentence of the refusal."""

    image: CheckedImage | None = None
    refusal: str = ""


class ImageChecker:
    """Checks images in a child process. Any number of threads may call `check`; they take turns.

    `seconds` is the deadline per image, `idle_seconds` how long the child waits for the next one, `memory` its
    address space in bytes. `command` starts the child.
    """

    def __init__(
        self,
        *,
        seconds: float = SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        memory: int = MEMORY,
        command: tuple[str, ...] = _COMMAND,
    ) -> None:
        self._seconds = seconds
        self._command = (*command, str(seconds), str(idle_seconds), str(memory))
        self._turn = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def check(self, data: bytes, rules: ImageRules) -> CheckedImage:
        """As `check_image`; also a child that crashed, ran out of memory or took too long is a `BadImage`. Raises
        `WorkerLost` once `stop` was called."""
        if not 0 < len(data) <= rules.max_bytes:
            return check_image(data, rules)  # refused by its size alone: no need to carry it over
        with self._turn:
            answer = self._ask(_Job(data, rules))
        if answer.image is None:
            raise BadImage(answer.refusal)
        return answer.image

    def stop(self) -> None:
        """End the child, also in the middle of an image; what waits for it gets a `WorkerLost`."""
        self._stopped = True
        child = self._child
        if child is not None:
            child.kill()
        with self._turn:
            self._bury()

    def _ask(self, job: _Job) -> _Answer:
        deaths = 0
        while True:
            child = self._living()
            late = threading.Event()
            timer = threading.Timer(self._seconds, lambda child=child, late=late: (late.set(), child.kill()))
            timer.start()
            try:
                _send(child.stdin, job)
                return _receive(child.stdout, _Answer)
            except (OSError, EOFError, msgspec.DecodeError):
                child.kill()  # it may live on, but has lost the thread of the conversation
                code = child.wait()
            finally:
                timer.cancel()
            if late.is_set():
                return _Answer(
                    refusal=f"image took longer than {self._seconds:g} s to decode: save it anew and smaller"
                )
            # An end with _IDLE_END is none: the child had just left for want of work when the image came.
            deaths += code != _IDLE_END
            if deaths == TRIES:
                return _Answer(
                    refusal=f"image cannot be decoded: it crashes the decoder (code {code}); save it anew"
                )

    def _living(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is not None:
            self._bury()
        if self._stopped:
            raise WorkerLost("the image check was stopped before it ended")
        if self._child is None:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ},
                start_new_session=True,  # Ctrl-C reaches the group; a drain must not look like a crash
            )
        return self._child

    def _bury(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        continue  # bytes were left that the dead child will never read


def _send(pipe: IO[bytes] | None, message: object) -> None:
    assert pipe is not None
    body = msgspec.msgpack.encode(message)
    pipe.write(_LENGTH.pack(len(body)) + body)
    pipe.flush()


def _receive(pipe: IO[bytes] | None, kind: type[Message]) -> Message:
    assert pipe is not None
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size))
    if length > MAX_MESSAGE:
        raise EOFError
    return msgspec.msgpack.decode(_exactly(pipe, length), type=kind)


def _exactly(pipe: IO[bytes], count: int) -> bytes:
    data = pipe.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _serve(seconds: float, idle_seconds: float, memory: int) -> None:
    """The child: answer jobs until there are none for `idle_seconds`, or the parent is gone."""
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":  # elsewhere the limit is unknown or not kept
        _limit(resource.RLIMIT_AS, memory)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    jobs: queue.Queue[_Job] = queue.Queue(1)

    def read() -> None:
        code = 1
        try:
            while True:
                jobs.put(_receive(sys.stdin.buffer, _Job))
        except EOFError:
            code = _IDLE_END
        except Exception:  # noqa: BLE001  without its reader the child would wait for ever
            traceback.print_exc()
        os._exit(code)  # also in the middle of an image: nobody waits for it any more

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            job = jobs.get(timeout=idle_seconds)
        except queue.Empty:
            os._exit(_IDLE_END)
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 2)
        try:
            answer = _Answer(image=check_image(job.data, job.rules))
        except BadImage as refused:
            answer = _Answer(refusal=str(refused))
        _send(answers, answer)


def _limit(what: int, soft: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


if __name__ == "__main__":
    _serve(float(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
