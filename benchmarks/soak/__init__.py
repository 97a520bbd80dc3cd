"""An hour of steady load, and whether anything grows that should not: `python -m benchmarks.soak`."""
