"""Long work over HTTP: /v1/jobs."""
