"""Models as data: the catalogue's cards, the cache folder, pulling, verifying, adding."""
