from zoo.testing import suite

TestPlugin = suite("pose", golden="tests/golden", cards="model_cards")
