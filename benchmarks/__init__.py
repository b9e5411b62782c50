"""What the engine costs, measured beside yardsticks that do the same work: ``python -m benchmarks``."""
