"""Measurements that print ratio tables; nothing here is asserted in tests.

``python -m benchmarks`` runs them all, ``python -m benchmarks.loading`` one of them.
"""
