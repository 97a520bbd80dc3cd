"""Benchmarks on the real stack. `python -m benchmarks` writes a table and `results/latest.json`."""
