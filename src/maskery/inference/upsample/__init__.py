"""Scores of the working size -> decisions at the picture's pixels."""
