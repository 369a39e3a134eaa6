"""What a run takes of memory, and a way to work that fits."""
