"""What long runs say: nothing at first, then a line on stderr from time to time.

Functions that go through texts or heads take ``log``, which is given a line for every step. Without one they are
patient: whoever waits for more than a few seconds is told how far they have come.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

Log = Callable[[str], object]

# Seconds without a word.
PATIENCE = 5.0


def patient(log: Log | None = None) -> Log:
    """The log that was given; without one, a new one that says a line on stderr after every five seconds."""
    return log if log is not None else _Patient()


class _Patient:
    """Takes every line and says the newest when the last one said is long ago."""

    def __init__(self) -> None:
        self.start = self.said = time.monotonic()

    def __call__(self, line: str) -> None:
        now = time.monotonic()
        if now - self.said > PATIENCE and sys.stderr is not None:
            self.said = now
            print(f"zoo: {line}, {now - self.start:.0f} s", file=sys.stderr, flush=True)
