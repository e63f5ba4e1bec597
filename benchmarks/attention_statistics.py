"""Memory of attention statistics over many texts: a model of GPT-2's size, 12 layers of 12 heads, 512 tokens a text.

Statistics of every head (``bert-look``, ``js=False``), layer by layer, and all maps kept, as a naive script keeps them;
each in a process of its own. The number of texts may be given.
"""

from __future__ import annotations

import sys

from benchmarks.measuring import run, table

LENGTH = 512
CODE = """
import torch
from transformers import GPT2Config, GPT2Model
from zoo.bridges.transformers.maps import attention_maps
from zoo_interpret.bert_look.config import BertLookConfig
from zoo_interpret.bert_look.statistics import BertLook

texts, length, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
model = GPT2Model._from_config(GPT2Config(), attn_implementation="sdpa").eval()

def batches():
    generator = torch.Generator().manual_seed(0)
    for _ in range(texts):
        yield {"input_ids": torch.randint(3, model.config.vocab_size, (1, length), generator=generator)}

with torch.no_grad():
    model(**next(batches()))
before = peak_bytes()
if how == "kept":
    kept = [attention_maps(model, batch) for batch in batches()]
else:
    BertLook(BertLookConfig(js=False))(model, batches())
report(extra=peak_bytes() - before)
"""


def extra_mib(texts: int, how: str) -> float:
    """MiB of memory beyond the model's and one forward pass's."""
    return float(run(CODE, str(texts), str(LENGTH), how)["extra"]) / 2**20


def main() -> None:
    texts = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rows = [
        [f"{count} texts, {words}", f"{extra_mib(count, how):,.0f} MiB"]
        for how, words, counts in (
            ("layers", "statistics", (1, texts)),
            ("kept", "all maps kept", (1, 4)),
        )
        for count in counts
    ]
    print(table([f"12 layers of 12 heads, {LENGTH} tokens a text", "memory beyond a forward pass"], rows))


if __name__ == "__main__":
    main()
