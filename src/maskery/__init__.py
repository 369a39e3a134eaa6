"""Image segmentation as a service. ``import maskery; maskery.load("everyday").segment("photo.jpg")``."""
