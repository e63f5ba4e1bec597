from zoo.testing import suite

TestPlugin = suite(
    "vision",
    golden="tests/golden",
    cards="model_cards",
    unmet={"context-cluster-operator": {"autocast": "3% of its output moves far in bfloat16, none in float16"}},
)
