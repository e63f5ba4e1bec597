from zoo.testing import suite

TestPlugin = suite("sequence", golden="tests/golden", cards="model_cards")
