from zoo.testing import suite

TestPlugin = suite("activity", golden="tests/golden", cards="model_cards")
