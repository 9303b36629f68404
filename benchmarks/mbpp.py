"""MBPP (Austin et al. 2021, https://arxiv.org/abs/2108.07732; https://github.com/google-research/google-research)."""

from ._mbpp import version

benchmark = version("MBPP: short Python programs from a sentence and three tests", 500, "full", "mbpp*.jsonl*")
