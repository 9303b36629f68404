"""What an answer is worth, and how it is read from a text."""
