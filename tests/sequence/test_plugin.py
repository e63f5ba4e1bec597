from zoo.testing import suite

EMPTY = "reshapes with an open dimension, which no examples leave ambiguous"
LEAKS = "maxnorm divides by the largest norm of the whole sequence"
DIVERGES = "is not finite with the rule bcm, elu+1 features and a normalizer, unnormalised"

TestPlugin = suite(
    "sequence",
    golden="tests/golden",
    cards="model_cards",
    unmet={
        "fast-attention": {"masks": LEAKS, "causality": LEAKS},
        "fast-attention-gpt": {"causality": LEAKS},
        "moh-llama-attention": {"overflow": "is not finite in float16 where float64 gives 1.1e3"},
        "pavlovian-attention": {"empty": "joins no chunks", "masks": DIVERGES, "causality": DIVERGES},
        "pavlovian-attention-lm": {"padding": DIVERGES, "causality": DIVERGES},
        "skim-attention": {"empty": EMPTY},
        "skim-attention-embed": {"empty": EMPTY},
        "skim-attention-long": {"empty": EMPTY},
        "skim-attention-mask": {"empty": EMPTY, "autocast": "moves as much in float16 as in bfloat16"},
    },
)
