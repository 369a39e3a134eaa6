"""Picture files: headers, decoding, rows, resizing."""
