"""Smaller and faster files of models, judged before they are written: ``maskery quantise``."""
