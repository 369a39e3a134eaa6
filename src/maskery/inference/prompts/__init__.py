"""Masks by prompt: what clicks, a box and a former mask say to a network, and the model that answers them."""
