"""Comparing how long pieces of work take, for the checks of claims about time."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def quickest(*runs: Callable[[], object], repeat: int = 5) -> list[float]:
    """Smallest CPU seconds of each run, on one thread and without gradients.

    The runs take turns, after a turn that is not counted, so that whatever else the machine does hits them alike.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    best = [float("inf")] * len(runs)
    try:
        with torch.no_grad():
            for turn in range(repeat + 1):
                for index, run in enumerate(runs):
                    start = time.process_time()
                    run()
                    if turn:
                        best[index] = min(best[index], time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    return best
