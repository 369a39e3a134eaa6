"""Data sets for training and evaluation: one file a format, all behind ``SegmentationData``. No torch here."""
