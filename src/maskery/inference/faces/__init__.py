"""A model that looks at one face at a time: detect, crop, parse, paste."""
