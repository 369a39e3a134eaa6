"""Maskery from elsewhere: the client of a server."""
