"""Taxonomies and benchmarks of attention."""
