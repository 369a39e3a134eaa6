"""How a measurement is to be made."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Progress = Callable[[int, int], None]
"""Called after each picture with how many are done and how many there are."""


def silent(done: int, total: int) -> None:
    """The ``Progress`` that says nothing."""


@dataclass(frozen=True)
class EvaluationOptions:
    """``format``: the data set's, "auto" to recognise it. ``labels``: names of its classes where it says none itself.
    ``overrides``: its classes -> the model's, before what the names say (``datasets.label_map.match``).

    ``max_side``: longest side, in pixels, of what the model sees. ``boundary``: tolerance of the boundary F in pixels;
    None = 0.75 % of each picture's diagonal, 0 = not measured. ``limit``: only the first pictures. ``worst``: how many
    of the worst pictures are named.
    """

    format: str = "auto"
    labels: tuple[str, ...] | None = None
    overrides: Mapping[str, Sequence[str]] = field(default_factory=dict)
    max_side: int | None = None
    boundary: int | None = None
    limit: int | None = None
    worst: int = 12


PLAIN = EvaluationOptions()
