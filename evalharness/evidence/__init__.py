"""What a number is worth, and how it is checked: fewer questions, twins, runs made again, ladders of models."""
