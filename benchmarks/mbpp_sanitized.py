"""MBPP, the part that its authors checked by hand (Austin et al. 2021, https://arxiv.org/abs/2108.07732)."""

from ._mbpp import version

benchmark = version("MBPP: the sanitized part", 257, "sanitized", "sanitized-mbpp.json*")
