"""What wraps the whole application."""
