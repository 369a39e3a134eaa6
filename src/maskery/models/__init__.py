"""Models as data: cards, store, catalogue, built-in weights."""
