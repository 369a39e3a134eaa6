"""The machine learning backend of Label Studio: pre-annotations as brush masks, polygons and rectangles."""
