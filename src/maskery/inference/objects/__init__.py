"""Single objects: what a network says of them -> boxes and masks in the picture's own pixels."""
