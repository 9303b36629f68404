"""Figures on their way to experiment trackers: what a tracker is, and who sends it what is told."""
