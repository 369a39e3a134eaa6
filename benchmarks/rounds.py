"""Rounds in which every variant takes its turn, and what a table says of them."""

import statistics
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Variant = TypeVar("Variant", bound=Hashable)
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Plan:
    """How often things are measured. ``repeats`` and ``small_repeats``: calls a round, of large and small pictures.

    ``memory_rounds``: fresh servers of each kind. ``photos``: pictures sent to one. ``shapes``: tensor sizes.
    ``window``: seconds of a load from one client. ``requests``: how many of a load that is counted.
    """

    rounds: int = 5
    repeats: int = 3
    small_repeats: int = 10
    memory_rounds: int = 2
    photos: int = 12
    shapes: int = 30
    window: float = 1.2
    requests: int = 300


FULL = Plan()
QUICK = Plan(rounds=2, repeats=1, small_repeats=3, memory_rounds=1, photos=6, shapes=6, window=0.3, requests=40)


@dataclass(frozen=True)
class Spread:
    """One number a round: the median, the least and the greatest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Raises ``ValueError`` where there is no value."""
        numbers = list(values)
        if not numbers:
            raise ValueError("no value to take the median of")
        return cls(statistics.median(numbers), min(numbers), max(numbers))

    def text(self, digits: int = 0) -> str:
        """``12 (10 to 15)``"""
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"


def of_rounds(rounds: Sequence[Sequence[float]]) -> Spread:
    """The medians of each round's repeats, spread over the rounds."""
    return Spread.of(statistics.median(repeats) for repeats in rounds)


def ratio(over: Sequence[Sequence[float]], under: Sequence[Sequence[float]]) -> Spread:
    """Round by round, for both sides of one round saw the same machine: the median of ``over`` by that of ``under``."""
    pairs = zip(over, under, strict=True)
    return Spread.of(statistics.median(a) / statistics.median(b) for a, b in pairs)


def p95(rounds: Sequence[Sequence[float]]) -> float:
    """The 95th percentile of all repeats of all rounds."""
    return float(np.percentile([value for repeats in rounds for value in repeats], 95))


def interleaved(
    variants: Mapping[Variant, Callable[[], Outcome]],
    rounds: int,
    repeats: Callable[[Variant], int] = lambda _: 1,
    warm_up: bool = True,
) -> dict[Variant, list[list[Outcome]]]:
    """What every variant gave: [variant][round][repeat].

    Every round runs every variant, every second round in the opposite order, so that a machine that grows slower slows
    all of them. ``warm_up``: one call of each before, not counted.
    """
    outcomes: dict[Variant, list[list[Outcome]]] = {variant: [] for variant in variants}
    order = list(variants)
    if warm_up:
        for variant in order:
            variants[variant]()
    for _ in range(rounds):
        for variant in order:
            outcomes[variant].append([variants[variant]() for _ in range(repeats(variant))])
        order.reverse()
    return outcomes
