"""Runs as other programs read them; one module per format, found by its file's name."""
