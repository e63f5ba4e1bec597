"""transformers: attention implementations, and the instruments that open its models."""
