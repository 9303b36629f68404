"""Several judges on every answer, one value: `--judge panel=MODEL,MODEL,...` (Verga et al. 2024, https://arxiv.org/abs/2404.18796)."""

from evalharness.judge import Panel

panel = Panel(
    name="panel",
    title="Several judges: mean, majority or weights; leave-one-out and pairwise kappa",
    paper="https://arxiv.org/abs/2404.18796",
    member="pairwise",
)
