"""lm-evaluation-harness's task files (https://github.com/EleutherAI/lm-evaluation-harness, version 0.4.13): the same
prompts, continuations, stop strings and scores, their Python run without trust."""

from evalharness.file_benchmarks.lm_eval.config import MARKS as MARKS
from evalharness.file_benchmarks.lm_eval.config import is_task as is_task
from evalharness.file_benchmarks.lm_eval.task import open_lm_eval_file as open_lm_eval_file
