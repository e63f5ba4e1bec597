from zoo.testing import suite

TestPlugin = suite("interpret", golden="tests/golden", cards="model_cards")
