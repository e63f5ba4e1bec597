"""Attention from one sequence to another: translation, generation, speech."""
