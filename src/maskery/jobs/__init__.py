"""Work on many pictures: it goes on where it was stopped, and its result is that of an undisturbed run."""
