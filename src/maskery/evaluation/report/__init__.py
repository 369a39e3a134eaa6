"""Measurements as HTML pages."""
