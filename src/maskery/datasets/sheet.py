"""A contact sheet: pictures with their masks laid over, as one HTML file that needs nothing else."""

from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from maskery.core.labels import IGNORE, Colour
from maskery.core.picture.data_url import jpeg_url
from maskery.datasets.check import Sample
from maskery.datasets.report import ClassCount, Report, text

SIDE = 256  # pixels of a thumbnail's longest side
OPACITY = 0.55
IGNORED: Colour = (255, 255, 255)

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff }
pre { background: #f4f4f4; padding: 1rem; overflow-x: auto; white-space: pre-wrap }
ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .3rem 1.2rem }
i { display: inline-block; width: .9em; height: .9em; border: 1px solid #888; margin-right: .4em }
main { display: flex; flex-wrap: wrap; gap: 1rem; align-items: end }
figure { margin: 0; position: relative; max-width: 256px }
figcaption { font-size: 12px; overflow-wrap: anywhere }
figure img { display: block }
figure img + img { position: absolute; top: 0; left: 0 }
figure:hover img + img { visibility: hidden }
"""


class ContactSheet:
    """A viewer for ``check`` that keeps thumbnails of about ``per_split`` pictures of each split, evenly chosen."""

    def __init__(self, per_split: int) -> None:
        self.per_split = per_split
        self._figures = list[str]()
        self._colours: Sequence[Colour] = ()

    def wants(self, index: int, count: int) -> bool:
        """Every n-th, so that there are ``per_split`` or fewer."""
        return index % max(1, -(-count // self.per_split)) == 0

    def show(self, sample: Sample, colours: Sequence[Colour]) -> None:
        self._colours = colours
        small = sample.picture.copy()
        small.thumbnail((SIDE, SIDE))
        images = [_img(small, "")]
        if sample.mask is not None:
            mask = Image.fromarray(sample.mask).resize(small.size, Image.Resampling.NEAREST)
            images.append(_img(_overlay(small, mask, colours), f"{sample.name} with its mask"))
        lacking = "" if images[1:] or sample.class_name else " (no mask that can be read)"
        caption = " · ".join(part for part in (sample.split, sample.class_name, sample.name + lacking) if part)
        self._figures.append(f"<figure>{''.join(images)}<figcaption>{escape(caption)}</figcaption></figure>")

    def html(self, report: Report) -> str:
        """The whole page."""
        legend = "".join(
            f'<li><i style="background: rgb{colour}"></i>{escape(c.name)} {c.share:.2%}</li>'
            for c, colour in self._legend(report)
        )
        policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{escape(report.path)}</title><style>{_STYLE}</style></head><body>"
            f"<h1>{escape(report.path)}</h1><ul>{legend}</ul>"
            f"<p>Some pictures of each split, masks laid over; point at one to see it without. White is ignored.</p>"
            f"<main>{''.join(self._figures)}</main><h2>Report</h2><pre>{escape(text(report))}</pre></body></html>\n"
        )

    def _legend(self, report: Report) -> Sequence[tuple[ClassCount, Colour]]:
        named = [c for c in report.classes if c.pixels]
        if all(c.name.isdigit() for c in named):
            return [(c, self._colours[int(c.name)]) for c in named if self._colours]
        return [(c, colour) for c, colour in zip(report.classes, self._colours, strict=False) if c.pixels]


def _overlay(picture: Image.Image, mask: Image.Image, colours: Sequence[Colour]) -> Image.Image:
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = colours
    table[IGNORE] = IGNORED
    return Image.blend(picture, Image.fromarray(table[np.asarray(mask)]), OPACITY)


def _img(image: Image.Image, alt: str) -> str:
    return f'<img alt="{escape(alt)}" width="{image.width}" height="{image.height}" src="{jpeg_url(image)}">'
