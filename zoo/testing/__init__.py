"""For plugin authors: a conformance suite, a local Hub server, and the pytest plugin that brings both."""
