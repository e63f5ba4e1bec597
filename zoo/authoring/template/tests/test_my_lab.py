"""Everything that the zoo tests about a plugin: conformance, recordings, claims."""

from zoo.testing import suite

TestMyLab = suite("my-lab", golden="tests/golden")
