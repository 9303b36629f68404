"""What places copies of a model: one module each, by the name that `--engine` gives."""
