"""The other servers' own few lines around the same model; each runs with the Python of `.venv-benchmarks`."""
