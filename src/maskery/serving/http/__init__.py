"""HTTP bodies, problems and request data."""
