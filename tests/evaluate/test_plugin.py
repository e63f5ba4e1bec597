from zoo.testing import suite

TestPlugin = suite("evaluate", golden="tests/golden", cards="model_cards")
