"""Result -> bytes: one file a format, all pure functions; ``table`` lists them. The core imports none of this."""
