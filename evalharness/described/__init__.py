"""Benchmarks that a file describes: our YAML, lm-evaluation-harness's task YAML, OpenAI Evals registries."""
