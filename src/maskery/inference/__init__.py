"""Picture -> tensor -> model -> result."""
