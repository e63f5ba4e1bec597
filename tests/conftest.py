"""What all tests share: hypothesis draws the same examples on every run, and workers do not fight over the cores."""

from __future__ import annotations

import os

import torch
from hypothesis import settings

settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")

if "PYTEST_XDIST_WORKER" in os.environ:
    # As many workers as cores: threads beyond one each would wait for one another. Child processes inherit it.
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
