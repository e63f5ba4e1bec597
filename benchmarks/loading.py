"""Load a 2.5 GB checkpoint from a local file: time and peak memory against the usual ways.

Every way runs in a process of its own, after the file is in the page cache.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.measuring import run, table

# 545m has vocabulary 128256; a smaller one brings the float32 file to 2.5 GB.
NAME, VOCABULARY = "moba-lm/545m", 22_000

WRITE = """
import sys, torch, zoo
folder, name, vocabulary = sys.argv[1], sys.argv[2], int(sys.argv[3])
model = zoo.load(name, weights=None, vocab_size=vocabulary)
zoo.save(model, folder + "/zoo")
torch.save(model.state_dict(), folder + "/state.pth")
from transformers import LlamaConfig, LlamaForCausalLM
c = zoo.config(name, vocab_size=vocabulary)
llama = LlamaForCausalLM._from_config(LlamaConfig(
    vocab_size=vocabulary, hidden_size=1792, intermediate_size=4864, num_hidden_layers=14, num_attention_heads=14,
    num_key_value_heads=14))
assert sum(p.numel() for p in llama.parameters()) == sum(p.numel() for p in model.parameters())
llama.save_pretrained(folder + "/transformers", max_shard_size="20GB")
report(bytes=sum(p.numel() * p.element_size() for p in model.parameters()))
"""

PREPARE = "import sys, time, torch\nfolder, name, vocabulary = sys.argv[1], sys.argv[2], int(sys.argv[3])\n"
FINISH = """
seconds = time.perf_counter() - start
loaded = peak_bytes()
total = sum(float(p.detach().view(-1)[::1024 // p.element_size()].sum()) for p in model.parameters())
report(seconds=seconds, before=before, loaded=loaded, touched=peak_bytes(), total=total)
"""

ZOO = (
    PREPARE
    + (
        "import zoo, zoo.loading, zoo.weights\n"
        "zoo.load(name, weights=None, num_layers=1, dim=128, num_heads=1, num_kv_heads=1, hidden_dim=128,"
        " vocab_size=8)\n"
        "before = peak_bytes(); start = time.perf_counter()\nmodel = zoo.load(folder + '/zoo')\n"
    )
    + FINISH
)
TRANSFORMERS = (
    PREPARE
    + (
        "from transformers import LlamaForCausalLM\n"
        "before = peak_bytes(); start = time.perf_counter()\n"
        "model = LlamaForCausalLM.from_pretrained(folder + '/transformers', dtype=torch.float32)\n"
    )
    + FINISH
)
BUILD = (
    PREPARE
    + (
        "import zoo\nbefore = peak_bytes(); start = time.perf_counter()\n"
        "model = zoo.load(name, weights=None, vocab_size=vocabulary)\n"
        "model.load_state_dict(torch.load(folder + '/state.pth', weights_only=True))\n"
    )
    + FINISH
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", help="where the checkpoints are written (7.5 GB); a temporary folder by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        size = run(WRITE, folder, NAME, str(VOCABULARY))["bytes"]
        ways = {
            "`zoo.load(folder)`": ZOO,
            "transformers `from_pretrained`": TRANSFORMERS,
            "build, then `load_state_dict(torch.load(...))`": BUILD,
        }
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    while file.read(1 << 26):
                        pass
        results = {way: run(code, folder, NAME, str(VOCABULARY)) for way, code in ways.items()}
    quickest = results["`zoo.load(folder)`"]["seconds"]
    rows = [
        [
            way,
            f"{result['seconds']:.2f}",
            f"{result['seconds'] / quickest:.1f}",
            f"{(result['loaded'] - result['before']) / size:.2f}",
            f"{(result['touched'] - result['before']) / size:.2f}",
        ]
        for way, result in results.items()
    ]
    print(f"Checkpoint of {size / 1e9:.2f} GB, float32; memory above the interpreter's, as a share of the file.\n")
    print(table(["way", "seconds", "ratio", "peak memory, loaded", "peak memory, every weight touched"], rows))


if __name__ == "__main__":
    main()
