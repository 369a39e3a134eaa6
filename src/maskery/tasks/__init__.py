"""One file a task: the scores of one picture -> its result."""
