"""The zoo as a pytest plugin, for plugin authors."""
