from zoo.testing import suite

TestPlugin = suite(
    "evaluate",
    golden="tests/golden",
    cards="model_cards",
    unmet={"attention-core": {"overflow": "multiplies queries and keys in float16"}},
)
