"""Starts the fork server in a clean interpreter: the package is found, imported, and taken off the path again."""

import os
import sys

_root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(_root)

from evalharness.sandbox import server  # noqa: E402  the path comes first

sys.path.remove(_root)
server.serve_programs()
