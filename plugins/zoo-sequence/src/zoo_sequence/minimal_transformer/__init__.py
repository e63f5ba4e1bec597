"""TODO minimal-transformer."""
