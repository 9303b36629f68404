"""The one place where messages become text, ids and loss mask."""
