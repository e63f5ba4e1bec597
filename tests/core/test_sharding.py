from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import zoo

WORKER = Path(__file__).with_name("sharding_worker.py")


@pytest.mark.parametrize("tied", [False, True])
def test_two_ranks_hold_half_each_and_read_only_their_slices(tmp_path, tied):
    model = zoo.load("moba-lm/tiny", weights=None, dim=256, hidden_dim=1024, num_layers=4, tie_embeddings=tied)
    folder = zoo.save(model, tmp_path / "model")
    size = (folder / "model.safetensors").stat().st_size
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*command, str(WORKER), str(folder), str(tmp_path / "report")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = torch.load(tmp_path / "report.pt", weights_only=True)
    for name, tensor in result["state"].items():
        assert torch.equal(tensor, model.get_parameter(name)), name
    with torch.no_grad():
        expected = model(torch.arange(24).view(2, 12) % 50)
    torch.testing.assert_close(result["logits"], expected, atol=1e-5, rtol=1e-5)
    total = sum(parameter.numel() for parameter in model.parameters())
    for rank in (0, 1):
        report = json.loads((tmp_path / f"report.{rank}.json").read_text())
        assert report["local"] < 0.55 * total
        assert report["touched"] < 0.65 * size, "a rank read more than its own slices"
        assert report["nested"] < 1e-6
        assert "sharded over a mesh" in report["save"]
        for refusal, reason in zip(report["refused"], ("not a .* DeviceMesh", "without names", "3 dim"), strict=True):
            assert re.search(reason, refusal)
