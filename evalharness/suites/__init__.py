"""Several models over several benchmarks, from one file."""
