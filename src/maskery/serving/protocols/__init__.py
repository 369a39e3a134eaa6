"""One file or folder a protocol."""
