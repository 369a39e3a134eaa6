"""The doors: one file a protocol, each only translating to and from ``desk.Order``."""
