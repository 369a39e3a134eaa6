"""Deployments written from one manifest, and what looks after a deployment: doctor and size.

``manifest`` says what is deployed, ``context`` collects its wheels, weights and sums, a file a target writes the rest.
"""
