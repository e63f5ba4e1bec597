"""What ``pytest --zoo-plugin NAME`` collects."""

import os

from zoo.testing import suite
from zoo.testing.pytest_plugin import CONFORMANCE_PLUGIN

TestPlugin = suite(os.environ[CONFORMANCE_PLUGIN])
