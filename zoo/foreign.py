"""Run other people's code so that nothing it does takes the zoo down, or keeps it waiting without a word."""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from zoo.errors import ZooError, one_line, printable

T = TypeVar("T")

# Seconds after which somebody who waits is told what for.
PATIENCE = 5.0


@dataclass(frozen=True)
class Failure:
    """Why a piece of foreign code did not come to its end: in one line, and the whole traceback."""

    reason: str
    traceback: str


def attempt(work: Callable[[], T]) -> T | Failure:
    """What ``work`` returns, or how it failed, whatever it raised.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C meanwhile; one that the code raised by itself is a failure.
    """
    with _interrupts() as pressed:
        try:
            return work()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and pressed():
                raise
            return Failure(one_line(error), _traceback_of(error))


@contextmanager
def failing_as(error_of: Callable[[BaseException], ZooError]) -> Iterator[None]:
    """A context in which whatever foreign code raises becomes an error of ours, also what would end the process.

    Errors of ours pass as they are, and so does Ctrl-C where somebody pressed it.
    """
    with _interrupts() as pressed:
        try:
            yield
        except ZooError:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and pressed():
                raise
            raise error_of(error) from error


def _traceback_of(error: BaseException) -> str:
    """What Python would print, or the lines that lead to an error that Python cannot print."""
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:
        return "".join(
            [*traceback.format_tb(vars(BaseException)["__traceback__"].__get__(error)), one_line(error), "\n"]
        )


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Whether Ctrl-C was pressed within the context. Only the main thread hears of it."""
    heard: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def hear(number: int, frame: FrameType | None) -> Any:
        heard.append(number)
        return before(number, frame) if callable(before) else None

    try:
        signal.signal(signal.SIGINT, hear if callable(before) else before)
    except (ValueError, TypeError):
        # Another thread or interpreter, or a handler that Python did not set.
        yield lambda: False
        return
    try:
        yield lambda: bool(heard)
    finally:
        if signal.getsignal(signal.SIGINT) is hear:
            signal.signal(signal.SIGINT, before)


class Waiting:
    """A context that says on stderr, once it has lasted, what is being waited for.

    Args:
        advice: what the reader can do, in one sentence.
    """

    def __init__(self, advice: str) -> None:
        self.advice = advice
        self._now: tuple[str, float] = ("", 0.0)
        self._thread = threading.get_ident()
        self._over = threading.Event()

    def __enter__(self) -> Waiting:
        threading.Thread(target=self._watch, name="zoo-waiting", daemon=True).start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()

    def start(self, what: str) -> None:
        """From now on it is this that is waited for."""
        self._now = (what, time.monotonic())

    def _watch(self) -> None:
        told = None
        while not self._over.wait(0.25):
            now = self._now
            if now[0] and now is not told and time.monotonic() - now[1] > PATIENCE:
                told = now
                if sys.stderr is not None:
                    text = f"zoo: still waiting for {now[0]}{self._place()}. {self.advice}"
                    print(printable(text), file=sys.stderr, flush=True)

    def _place(self) -> str:
        """The line of the innermost module that is being imported."""
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame.f_code.co_name != "<module>":
            frame = frame.f_back
        return f", at {frame.f_code.co_filename}:{frame.f_lineno}" if frame else ""
