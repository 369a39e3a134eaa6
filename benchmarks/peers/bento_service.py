"""The same with BentoML: a service with its defaults."""

import bentoml
from PIL.Image import Image
from plain import Plain


@bentoml.service
class Segmenter:
    def __init__(self) -> None:
        self.model = Plain.from_environment()

    @bentoml.api(route="/segment")
    def segment(self, image: Image) -> Image:
        return self.model.mask(image.convert("RGB"))
