"""Judges examined: their biases, their noise, their agreement with people."""
