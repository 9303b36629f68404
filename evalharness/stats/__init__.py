"""Intervals, paired differences, power, agreement: arrays in, figures out."""
