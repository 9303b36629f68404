"""A judge asks a model what answers are worth."""
