"""Measuring models: one on a data set, two beside each other; numbers, pages, pictures. No torch here."""
