"""lm-evaluation-harness's task files (https://github.com/EleutherAI/lm-evaluation-harness, version 0.4.13): the same
prompts, continuations, stop strings and scores, their Python run without trust."""
