from evalharness.api import compare as compare
from evalharness.api import evaluate as evaluate
from evalharness.api import finetune as finetune
from evalharness.api import forget as forget
from evalharness.api import judge_run as judge_run
from evalharness.api import load_run as load_run
from evalharness.benchmark import Benchmark as Benchmark
from evalharness.errors import UserError as UserError
from evalharness.records import Sample as Sample

__version__: str
