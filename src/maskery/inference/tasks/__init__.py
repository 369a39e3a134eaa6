"""Output tensors -> results, a file a task."""
