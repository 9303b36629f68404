"""Exit codes of several parts, and the names that a typo meant."""

from evalharness.errors import Exit, gravest, nearest


def test_a_worse_model_counts_more_than_a_run_that_is_not_whole():
    assert gravest(Exit.NOT_WHOLE, Exit.GATE_FAILED) == Exit.GATE_FAILED
    assert gravest(Exit.FINE, Exit.NOT_WHOLE) == Exit.NOT_WHOLE
    assert gravest(Exit.NOT_WHOLE, Exit.NOT_COMPARABLE) == Exit.NOT_COMPARABLE
    assert gravest(Exit.FINE) == Exit.FINE


def test_a_typo_is_answered_with_the_nearest_name():
    assert nearest("mlmu", ["mmlu", "squad"]) == " (did you mean mmlu?)"
    assert nearest("zzz", ["mmlu"]) == ""
