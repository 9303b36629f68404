"""Examines a model or a benchmark before hours or money are spent on it; for `evalh doctor`."""
