"""Smaller and faster files of a model, within a measured loss."""
