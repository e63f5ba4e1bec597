"""TODO attention-taxonomy."""
