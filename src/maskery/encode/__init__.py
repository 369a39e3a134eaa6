"""Result -> bytes, a file a format."""
