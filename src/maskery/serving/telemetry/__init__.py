"""Metrics, logs, traces and status."""
