"""Judgments that others made, read as runs; one module per format."""
