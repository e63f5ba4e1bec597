"""Evidence over promises: replayed recordings, verified claims, measured speed, rendered cards."""
