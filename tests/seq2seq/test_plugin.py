from zoo.testing import suite

TestPlugin = suite("seq2seq", golden="tests/golden", cards="model_cards")
