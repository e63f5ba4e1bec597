"""TODO shiftvit."""
