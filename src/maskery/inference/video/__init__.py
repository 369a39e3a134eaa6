"""Videos: their frames, in memory that does not grow with their length, and what is followed from frame to frame."""
