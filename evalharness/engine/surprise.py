"""How far each token of a text lies above or below what the model expects at its place: standard scores.

Min-K%++ (Zhang et al. 2024, https://arxiv.org/abs/2404.02936) is made of them: the log-probability of the token that
stands there, less its mean over the model's own distribution, in that distribution's standard deviations.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from evalharness.engine.attention import PackedRows
from evalharness.engine.decoder import Decoder

_ROWS = 64  # states that meet the head at a time
_LEAST_VARIANCE = 1e-6  # of a distribution that is all but certain


@torch.inference_mode()
def standard_scores(decoder: Decoder, ids: list[int]) -> NDArray[np.float64]:
    """ids (S,) -> the score of each token but the first (S - 1,); nothing for fewer than two tokens."""
    if len(ids) < 2:
        return np.empty(0)
    text = torch.tensor(ids, device=decoder.device)
    positions = torch.arange(len(ids) - 1, device=decoder.device)
    states = decoder.hidden(text[:-1], positions, PackedRows(decoder.config, [len(ids) - 1], positions))
    found = []
    for start in range(0, len(states), _ROWS):
        logs = torch.log_softmax(decoder.head(states[start : start + _ROWS]).float(), -1)
        chances = logs.exp()
        mean = (chances * logs).nan_to_num().sum(-1)  # 0 where a token can never come: 0 times minus infinity
        variance = (chances * (logs - mean[:, None]) ** 2).nan_to_num().sum(-1)
        said = logs.gather(-1, text[start + 1 : start + 1 + len(logs), None])[:, 0]
        found.append((said - mean) / variance.clamp_min(_LEAST_VARIANCE).sqrt())
    return torch.cat(found).double().cpu().numpy()
