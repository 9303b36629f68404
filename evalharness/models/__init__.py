"""The kinds of model that come with evalharness, one module each: `openai`, `local`, `tiny`, `replay`, `echo`."""
