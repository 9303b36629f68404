"""evalharness: fine-tune a language model, then find out whether its answers got better, with the uncertainty."""

__version__ = "0.1.0"
