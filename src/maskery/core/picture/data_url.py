"""Pictures inside a page that fetches nothing."""

import base64
import io

from PIL import Image


def jpeg_url(image: Image.Image, quality: int = 82) -> str:
    """The picture, RGB, as a data URL."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")
