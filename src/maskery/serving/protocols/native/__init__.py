"""Maskery's own HTTP API."""
