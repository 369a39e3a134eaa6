"""``maskery folder``: every picture of a place to another place, with one line of JSON each."""
