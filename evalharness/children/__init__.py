"""Interpreters of ours beside this one."""
