"""Loaded models, queues and workers."""
