"""Formats made of outlines."""
