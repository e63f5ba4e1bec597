"""What ``pytest --zoo-plugin NAME`` collects."""

import os

from zoo.testing.conformance import suite
from zoo.testing.pytest_plugin import CONFORMANCE_PLUGIN

TestConformance = suite(os.environ[CONFORMANCE_PLUGIN])
