"""Puts the `evalh` commands together."""
