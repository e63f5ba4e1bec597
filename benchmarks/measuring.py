"""Time and peak memory of a piece of Python, each run in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

_REPORT = """
import json, resource, sys
def peak_bytes():
    # The kernel's own high-water mark of this process, mapped file pages included.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
def report(**values):
    print("RESULT " + json.dumps(values))
"""


def run(code: str, *arguments: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """Run code that ends with ``report(...)`` (``peak_bytes()`` is at hand) and return what it reported."""
    done = subprocess.run(
        [sys.executable, "-c", _REPORT + code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    result: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return result


def seconds(command: Sequence[str], *, repeat: int = 5, env: dict[str, str] | None = None) -> float:
    """The quickest of several runs of a command, as a whole process."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        times.append(time.perf_counter() - start)
    return min(times)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
