from zoo.testing import suite

LEAK = "as in the authors' code, a row that no key is left for sees everything, padding too"

TestPlugin = suite(
    "interpret",
    golden="tests/golden",
    cards="model_cards",
    unmet={"attention-pattern-injection": {"padding": LEAK}},
)
