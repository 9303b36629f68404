"""evalharness: fine-tune a language model, then find out whether its answers got better, with the uncertainty."""

from importlib import import_module

__version__ = "0.2.0"

# Where each public name lives; `__init__.pyi` beside this file says the same to type checkers. Nothing is imported
# before it is asked for, so that `import evalharness` and `evalh --help` stay light.
_HOMES = {
    "Benchmark": "benchmark",
    "Sample": "records",
    "UserError": "errors",
    "compare": "api",
    "evaluate": "api",
    "finetune": "api",
    "forget": "api",
    "judge_run": "api",
    "load_run": "api",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
