"""Libraries that run model files."""
