from zoo.testing import suite

LEAK = "one form, reference_padding=True, shows padding as the authors' code does; the others are tested in full"
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
