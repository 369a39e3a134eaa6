"""A confusion matrix on a page."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maskery.core.arrays import Integers
from maskery.evaluation.matching import OTHER
from maskery.evaluation.report import html

MOST = 40  # classes that a table still shows


def matrix(labels: Sequence[str], confusion: Integers) -> str:
    """The table, shaded by shares of its rows; nothing for more than ``MOST`` classes."""
    if len(labels) > MOST:
        return ""
    columns = [*labels, OTHER] if confusion[:, -1].any() else list(labels)
    rows = [
        [html.escaped(label), *(_cell(float(share), i == j) for j, share in enumerate(row[: len(columns)]))]
        for i, (label, row) in enumerate(zip(labels, _shares(confusion), strict=True))
        if confusion[i].any()
    ]
    return html.matrix(["", *columns], rows)


def mistakes(labels: Sequence[str], confusion: Integers, count: int = 12) -> str:
    """The largest cells beside the diagonal, as shares of all and of the class."""
    wrong = confusion.copy()
    np.fill_diagonal(wrong, 0)
    shares, total, names = _shares(confusion), max(int(confusion.sum()), 1), [*labels, OTHER]
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    found = [divmod(int(at), wrong.shape[1]) for at in order]
    rows = [
        [html.escaped(labels[t]), html.escaped(names[p]), f"{shares[t, p]:.1%}", f"{wrong[t, p] / total:.2%}"]
        for t, p in found
        if wrong[t, p]
    ]
    return html.table(["Truth", "taken for", "of the class", "of all"], rows) if rows else ""


def _shares(confusion: Integers) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    return shares


def _cell(share: float, right: bool) -> str:
    kind = " ".join(name for name, on in (("hit", right), ("strong", share >= 0.6)) if on)
    text = f"{100 * share:.0f}" if share >= 0.005 else ""
    return f'<td class="{kind}" style="--part:{100 * share:.0f}%">{text}</td>'
