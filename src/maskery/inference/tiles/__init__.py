"""Huge pictures, tile by tile."""
