from __future__ import annotations

import pytest
import torch

from zoo.evidence.measuring import PeakMemory, growth_exponent, quickest


def test_peak_memory_counts_what_is_alive_at_the_same_time():
    with PeakMemory() as memory:
        kept = torch.ones(1000)
        view = kept[:10]
        for _ in range(5):
            torch.ones(500).add_(1)
    assert memory.peak == 4 * 1500
    assert memory.now == 4 * 1000
    del kept, view
    assert memory.now == 0


def test_peak_memory_counts_backward_passes():
    x = torch.ones(1000, requires_grad=True)
    with PeakMemory() as memory:
        x.exp().sum().backward()
    assert memory.peak >= 8 * 1000


def test_growth_exponent_is_the_power():
    sizes = [10, 20, 50]
    assert growth_exponent(sizes, [3 * size**1.5 for size in sizes]) == pytest.approx(1.5)


def test_quickest_leaves_the_threads_as_they_were():
    before, runs = torch.get_num_threads(), []
    assert quickest(lambda: runs.append(torch.get_num_threads()), repeat=2) >= 0
    assert runs == [1, 1]
    assert torch.get_num_threads() == before
