"""TODO triplet-attention."""
