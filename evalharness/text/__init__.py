"""Text from outside: rendered, matched and shown, never obeyed."""
