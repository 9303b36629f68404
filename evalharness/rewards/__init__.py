"""A benchmark's scorer as a reward for reinforcement learning: for TRL's `reward_funcs` and for verifiers' rubrics.

    rows = Dataset.from_list(rewards.dataset("gsm8k"))
    trainer = GRPOTrainer(..., reward_funcs=rewards.of("gsm8k"), train_dataset=rows)

https://huggingface.co/docs/trl/grpo_trainer#using-a-custom-reward-function and
https://docs.primeintellect.ai/verifiers. An answer earns what it would count in the benchmark's headline, read by the
same rules, programs in the same sandbox: one that fools the published check alone earns nothing.
"""

from evalharness.rewards.benchmark_reward import BenchmarkReward, of
from evalharness.rewards.open_scorers import close
from evalharness.rewards.questions import COLUMN, dataset

__all__ = ["COLUMN", "BenchmarkReward", "close", "dataset", "of"]
