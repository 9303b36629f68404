"""Benchmarks that a file describes: our YAML, lm-evaluation-harness's, OpenAI Evals."""
