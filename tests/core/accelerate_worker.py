"""Two processes train a zoo language model through accelerate; each writes what it got."""

import json
import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

import zoo  # noqa: F401 (all that AutoModelForCausalLM needs to know its networks)


def main(model: str, out: str) -> None:
    """Train the model of a folder for one epoch over 16 sequences, 2 at a time in each process."""
    accelerator = Accelerator(cpu=True)
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(model)
    ids = torch.randint(3, 60, (16, 12), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network, optimizer, loader = accelerator.prepare(network.train(), optimizer, DataLoader(ids, batch_size=2))
    steps = 0
    for batch in loader:
        loss = network(input_ids=batch, labels=batch).loss
        accelerator.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        steps += 1
    accelerator.wait_for_everyone()
    own = accelerator.unwrap_model(network)
    if accelerator.is_main_process:
        own.save_pretrained(Path(out) / "saved", state_dict=accelerator.get_state_dict(network))
    total = float(sum(parameter.double().sum() for parameter in own.parameters()))
    report = {"processes": accelerator.num_processes, "steps": steps, "sum": total}
    (Path(out) / f"{accelerator.process_index}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
