"""Nouns that everything shares: settings, cards, plans, errors. NumPy and Pillow only."""
