"""TODO efficient-attention."""
