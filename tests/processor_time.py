"""Processor time that a slow or shared processor does not stretch: seconds as of a quiet core of 2025."""

import re
import time
from collections.abc import Callable

_MEASURE = re.compile(r"\d[\d.,]{0,20} x")
_TEXT = "1," * 20_000
_QUIET = 0.005  # what reading _TEXT takes on such a core


def processor_seconds(work: Callable[[], object]) -> float:
    """What the work takes. It is measured beside a fixed piece of work, before and after: all that it is judged by is
    how many times longer it takes than that."""
    before = _slowness()
    began = time.process_time()
    work()
    took = time.process_time() - began
    return took / max(1.0, before, _slowness())


def _slowness() -> float:
    began = time.process_time()
    _MEASURE.findall(_TEXT)
    return (time.process_time() - began) / _QUIET
