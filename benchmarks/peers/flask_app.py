"""The demo that most people write: Flask with its own threaded server."""

import io
import os

from flask import Flask, Response, request, send_file
from PIL import Image
from plain import Plain

app = Flask(__name__)
model = Plain.from_environment()


@app.post("/segment")
def segment() -> Response:
    picture = Image.open(request.files["image"].stream).convert("RGB")
    file = io.BytesIO()
    model.mask(picture).save(file, "PNG")
    file.seek(0)
    return send_file(file, mimetype="image/png")


if __name__ == "__main__":
    app.run(port=int(os.environ["PEER_PORT"]))
