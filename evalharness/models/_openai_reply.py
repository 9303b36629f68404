"""The likeliest first tokens in a reply of the OpenAI protocol."""

from __future__ import annotations

import math
from typing import Any

from evalharness.data.typed import number

_ODD = (TypeError, ValueError, KeyError, AttributeError, IndexError)  # what reading an odd reply raises


def first_token(logprobs: Any) -> tuple[tuple[str, float], ...]:
    """The likeliest first tokens in either protocol's shape; empty where the endpoint sent none, or something odd."""
    if logprobs is None:
        return ()
    try:
        content = logprobs.get("content")
        if isinstance(content, list):
            tops = content[0].get("top_logprobs") if content else None
            told = [(t["token"], t["logprob"]) for t in tops or ()]
        else:
            told = list(logprobs["top_logprobs"][0].items())
        # A token of no probability at all is told as null, or as what JSON has no number for.
        return tuple((str(token), float(number(value))) for token, value in told if value not in (None, -math.inf))
    except _ODD:
        return ()
