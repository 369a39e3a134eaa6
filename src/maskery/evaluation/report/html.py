"""Pages in one file: HTML without scripts, its style and its pictures inside."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

from maskery.core.version import __version__

STYLE = Path(__file__).with_name("html.css")


def escaped(text: object) -> str:
    return html.escape(str(text))


def document(title: str, subtitle: str, sections: Iterable[str]) -> str:
    """The whole page. ``sections`` are HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escaped(title)}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n"
        f"<header><h1>{escaped(title)}</h1><p>{escaped(subtitle)}</p></header>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + f"\n</main>\n<footer>Written by Maskery {escaped(__version__)}.</footer>\n</body>\n</html>\n"
    )


def section(title: str, body: str, hint: str = "") -> str:
    """A card with its heading; nothing where there is no body."""
    words = f'<p class="hint">{escaped(hint)}</p>' if hint else ""
    return f"<section><h2>{escaped(title)}</h2>{words}{body}</section>" if body else ""


def tiles(items: Iterable[tuple[str, str]]) -> str:
    """Names with values, the first one large."""
    return '<dl class="tiles">' + "".join(_term(name, value) for name, value in items) + "</dl>"


def facts(items: Iterable[tuple[str, str]]) -> str:
    """Names with values, a line each."""
    return '<dl class="facts">' + "".join(_term(name, value) for name, value in items if value) + "</dl>"


def _term(name: str, value: str) -> str:
    return f"<div><dt>{escaped(name)}</dt><dd>{escaped(value)}</dd></div>"


def bullets(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escaped(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """``rows`` are what is in the cells, HTML, the first of each its heading; ``head`` is plain text."""
    return _table(head, ([row[0], *(f"<td>{cell}</td>" for cell in row[1:])] for row in rows), kind)


def matrix(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """``rows`` are whole cells, ``<td>`` and all, but the first of each, its heading."""
    return _table(head, rows, "matrix")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str) -> str:
    top = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    body = "".join(f'<tr><th scope="row">{row[0]}</th>{"".join(row[1:])}</tr>' for row in rows)
    return f'<div class="scroll"><table class="{kind}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def number(value: float | None, digits: int = 3) -> str:
    return '<span class="none">–</span>' if value is None else f"{value:.{digits}f}"


def bar(value: float | None) -> str:
    """A number of 0..1 with its bar."""
    if value is None:
        return number(None)
    return f'<span class="bar" style="--part:{100 * value:.1f}%">{value:.3f}</span>'


def swatch(colour: tuple[int, int, int]) -> str:
    return '<span class="swatch" style="background:rgb({} {} {})"></span>'.format(*colour)


def figure(url: str, caption: str) -> str:
    return f'<figure><img src="{url}" alt="" loading="lazy"><figcaption>{escaped(caption)}</figcaption></figure>'


def strip(title: str, detail: str, figures: Iterable[str]) -> str:
    """A row of pictures that belong together."""
    head = f"<h3>{escaped(title)}<span>{escaped(detail)}</span></h3>"
    return f'<article>{head}<div class="strip">{"".join(figures)}</div></article>'
