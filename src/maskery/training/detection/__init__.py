"""Training of detectors: a small head on the maps of a frozen encoder (docs/training.md)."""
