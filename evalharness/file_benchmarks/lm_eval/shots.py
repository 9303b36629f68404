"""Which examples lm-evaluation-harness shows before each question (lm_eval/api/samplers.py, version 0.4.13), and how a
chat model reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from evalharness.benchmark import IsAsked, ShotsDrawn
from evalharness.records import Sample

FEWSHOT_SEED = 1234  # the default of its `--seed` for examples


def at_random(one_more: bool) -> ShotsDrawn:
    """Its default sampler: one generator draws for one question after the other, in the order of the split.

    `one_more`: it draws one example more than are shown and drops the question, as it does where the task names the
    test split for its examples. Elsewhere it would show a question that it drew among its own examples; here another
    example stands in that place, and every other prompt is as it makes it.
    """

    def draw(
        examples: Sequence[Sample], samples: Sequence[Sample], shots: int, is_asked: IsAsked
    ) -> Iterator[Sequence[Sample]]:
        chance = Random(FEWSHOT_SEED)
        count = min(shots + one_more, len(examples))
        for sample in samples:
            drawn = chance.sample(examples, count)
            kept = [example for example in drawn if not is_asked(example, sample)][:shots]
            if len(kept) < shots:
                others = [example for example in examples if not is_asked(example, sample)]
                if one_more:  # several rows repeat the question: it draws again from the others
                    kept = chance.sample(others, min(shots, len(others)))
                else:
                    left = [example for example in others if example not in kept]
                    kept += Random(FEWSHOT_SEED).sample(left, min(shots - len(kept), len(left)))
            yield kept

    return draw
