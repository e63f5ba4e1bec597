from zoo.testing import suite

EVEN = "a map that is nearly even, divided by its maximum, leaves of gradients what rounding left"

TestPlugin = suite("vision", golden="tests/golden", cards="model_cards", unmet={"sketch2saliency": {"autocast": EVEN}})
