"""Attention for sequences, and what attention is: mechanisms, language models, theory."""
