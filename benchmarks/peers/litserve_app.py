"""The same with LitServe: a LitAPI with its defaults."""

import io
import os

import litserve as ls
from fastapi import Response
from PIL import Image
from plain import Plain


class Segmenter(ls.LitAPI):
    def setup(self, device: str) -> None:
        self.model = Plain.from_environment()

    # Without a type LitServe hands over the form; with one it would expect JSON of that type.
    def decode_request(self, request) -> Image.Image:
        return Image.open(request["image"].file).convert("RGB")

    def predict(self, picture: Image.Image) -> Image.Image:
        return self.model.mask(picture)

    def encode_response(self, mask: Image.Image) -> Response:
        file = io.BytesIO()
        mask.save(file, "PNG")
        return Response(file.getvalue(), media_type="image/png")


if __name__ == "__main__":
    server = ls.LitServer(Segmenter(api_path="/segment"))
    server.run(host="127.0.0.1", port=int(os.environ["PEER_PORT"]), generate_client_file=False)
