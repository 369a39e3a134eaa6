"""Formats made of pixels."""
