from zoo.testing import suite

LEAK = "as in the authors' code a row that no key is left for sees everything, padding too; hide_padding=True mends it"
EMPTY = "transformers' own classes cannot reshape a batch of no examples"
FLOAT32 = "transformers' norms compute in float32, too coarse for second differences"

TestPlugin = suite(
    "interpret",
    golden="tests/golden",
    cards="model_cards",
    unmet={
        "attention-pattern-injection": {"padding": LEAK},
        "smollm2": {"empty": EMPTY, "double_backward": FLOAT32},
        "minilm": {"empty": EMPTY},
        "whisper": {"empty": EMPTY},
    },
)
