"""Starts the fork server in a clean interpreter: the package is found, imported, and taken off the path again."""

import os
import sys

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(root)

from evalharness.sandbox import server  # noqa: E402  the path comes first

sys.path.remove(root)
server.main()
