import json
from dataclasses import replace

import msgspec

from maskery.core.result.meta import ModelInfo
from maskery.core.version import __version__
from maskery.encode.provenance import PNG_KEYWORD, png_text, provenance, provenance_text
from maskery.encode.raster import png
from tests.encode.results import classification, halves, opened, semantic


def test_plain_data() -> None:
    found = provenance(semantic(halves()).meta)
    assert found["software"] == f"Maskery {__version__}"
    assert found["model"] == {"name": "tiny", "version": "1.2", "sha256": "ab" * 32}
    assert found["frame"]["padding"] == {"left": 0, "top": 1, "right": 2, "bottom": 3}
    assert json.loads(provenance_text(classification().meta)) == msgspec.to_builtins(provenance(classification().meta))


def test_any_letters_survive_in_a_png() -> None:
    meta = replace(semantic(halves()).meta, model=ModelInfo("größe-模型", "1", "00"))
    picture = opened(png.grey(halves(), png_text(meta)))
    assert json.loads(picture.info[PNG_KEYWORD])["model"]["name"] == "größe-模型"
