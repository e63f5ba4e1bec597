from zoo.testing import suite

TestPlugin = suite("vision", golden="tests/golden", cards="model_cards")
