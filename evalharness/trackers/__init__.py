"""Experiment trackers, one module each: `open_tracker(tracked)`. A new file is a new `--log-to`."""
