"""Record a run of the reference implementation, here torch's own attention: ``python tests/record.py``.

A recording holds tensors ``state.*``, ``input.*`` and ``output.*``; its metadata says which part was run, with which
config, and how. Tests replay it through ``conversion.replay``, with the same conversion of names that published
checkpoints go through.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).parent
CONFIG = {"dim": 12, "num_heads": 3}


def main() -> None:
    """Write ``golden/my-lab/attention.safetensors``."""
    torch.manual_seed(0)
    reference = nn.MultiheadAttention(CONFIG["dim"], CONFIG["num_heads"], bias=False, batch_first=True).eval()
    x = torch.randn(2, 5, CONFIG["dim"])
    with torch.no_grad():
        y, _ = reference(x, x, x)
    tensors = {f"state.{name}": tensor for name, tensor in reference.state_dict().items()}
    path = HERE / "golden" / "my-lab" / "attention.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"component": "attention", "config": json.dumps(CONFIG), "note": f"torch {torch.__version__}"}
    save_file({**tensors, "input.x": x, "output.y": y.contiguous()}, path, metadata)


if __name__ == "__main__":
    main()
