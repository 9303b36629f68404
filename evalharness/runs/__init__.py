"""One run: planned, asked, scored, kept."""
