"""Objects counted: those that cross lines, those in zones, how fast they are, and the way that they came.

Only objects with a number are counted, each once a line. An object is where the middle of its box is. Around a line
lies a dead band, so that one who stands on it is not counted again and again: a side counts once the band is left.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from maskery.core.errors import BadRequest
from maskery.core.result.instances import Instance

Point = tuple[float, float]
Direction = Literal["in", "out"]
TRAIL_S, SPEED_S = 2.0, 0.5
DEAD_BAND = 0.005  # of the frame's diagonal, on each side of a line


@dataclass(frozen=True)
class CountingLine:
    """From ``start`` to ``end``, in pixels of the frame. Who crosses it from the left to the right, as one sees it who
    looks from its start to its end, goes "in"; the other way is "out".
    """

    name: str
    start: Point
    end: Point

    def offset(self, point: Point) -> float:
        """Pixels from the line through both ends, above 0 on the right."""
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        return (dx * (point[1] - self.start[1]) - dy * (point[0] - self.start[0])) / float(np.hypot(dx, dy))

    def passes(self, before: Point, now: Point) -> bool:
        """Whether the way between two points on different sides goes between the ends of the line."""
        one, other = self.offset(before), self.offset(now)
        share = one / (one - other)
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        x, y = before[0] + share * (now[0] - before[0]), before[1] + share * (now[1] - before[1])
        along = ((x - self.start[0]) * dx + (y - self.start[1]) * dy) / (dx * dx + dy * dy)
        return 0 <= along <= 1


@dataclass(frozen=True)
class CountingZone:
    """A polygon, ``corners`` in pixels of the frame."""

    name: str
    corners: tuple[Point, ...]

    def holds(self, point: Point) -> bool:
        """Whether the point is inside, by the rule of even and odd."""
        inside, (x, y) = False, point
        for (x0, y0), (x1, y1) in zip(self.corners, (*self.corners[1:], self.corners[0]), strict=True):
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) / (y1 - y0) * (x1 - x0):
                inside = not inside
        return inside


def parse_line(text: str) -> CountingLine:
    """``NAME=x1,y1,x2,y2``. Raises ``BadRequest``."""
    name, numbers = _parsed(text, "line")
    if len(numbers) != 4 or numbers[:2] == numbers[2:]:
        raise BadRequest(f"The line {text!r} needs two different points.", "Write NAME=x1,y1,x2,y2 in pixels.")
    return CountingLine(name, (numbers[0], numbers[1]), (numbers[2], numbers[3]))


def parse_zone(text: str) -> CountingZone:
    """``NAME=x1,y1,x2,y2,x3,y3,...``. Raises ``BadRequest``."""
    name, numbers = _parsed(text, "zone")
    if len(numbers) < 6 or len(numbers) % 2:
        raise BadRequest(
            f"The zone {text!r} needs three or more points.", "Write NAME=x1,y1,x2,y2,x3,y3,... in pixels."
        )
    return CountingZone(name, tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def _parsed(text: str, kind: str) -> tuple[str, list[float]]:
    name, equals, rest = text.partition("=")
    try:
        numbers = [float(part) for part in rest.split(",")]
    except ValueError:
        numbers = []
    if not equals or not name.strip() or not numbers or not all(np.isfinite(numbers)):
        raise BadRequest(f"The {kind} {text!r} cannot be read.", f"Write NAME=x1,y1,x2,y2{',...' * (kind == 'zone')}.")
    return name.strip(), numbers


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """That an object crossed a line.

    Attributes:
        line: Its name.
        time_s: When.
        track_id: The object's number.
        class_name: Its class then.
        direction: From the left to the right of the line is "in".
    """

    line: str
    time_s: float
    track_id: int
    class_name: str
    direction: Direction


class _LineState:
    def __init__(self, line: CountingLine, band: float) -> None:
        self.line, self._band = line, band
        self._sides: dict[int, tuple[bool, Point]] = {}  # object -> the side where it was last, and where it was then
        self._counted: set[int] = set()
        self.counts: dict[Direction, Counter[str]] = {"in": Counter(), "out": Counter()}

    def see(self, number: int, point: Point, class_name: str) -> Direction | None:
        """The direction of a new crossing."""
        offset = self.line.offset(point)
        if abs(offset) <= self._band:
            return None
        right, before = offset > 0, self._sides.get(number)
        self._sides[number] = (right, point)
        if before is None or before[0] == right or number in self._counted or not self.line.passes(before[1], point):
            return None
        self._counted.add(number)
        direction: Direction = "in" if right else "out"
        self.counts[direction][class_name] += 1
        return direction

    def forget(self, gone: set[int]) -> None:
        for number in gone:
            self._sides.pop(number, None)


class _ZoneState:
    def __init__(self, zone: CountingZone) -> None:
        self.zone = zone
        self.entered: dict[int, str] = {}  # all that ever were inside, with their class
        self.inside: set[int] = set()
        self.dwell_s: dict[int, float] = {}
        self.left: set[int] = set()

    def see(self, number: int, point: Point, class_name: str, step_s: float) -> None:
        if self.zone.holds(point):
            if number in self.inside:
                self.dwell_s[number] += step_s
            self.inside.add(number)
            self.dwell_s.setdefault(number, 0.0)
            self.left.discard(number)
            self.entered.setdefault(number, class_name)
        else:
            self.leave(number)

    def leave(self, number: int) -> None:
        if number in self.inside:
            self.inside.remove(number)
            self.left.add(number)


@dataclass(frozen=True)
class CountOptions:
    """``scale``: pixels a metre, for speeds; None = there are none in metres."""

    lines: tuple[CountingLine, ...] = ()
    zones: tuple[CountingZone, ...] = ()
    scale: float | None = None

    def __post_init__(self) -> None:
        names = [line.name for line in self.lines] + [zone.name for zone in self.zones]
        for name in names:
            if names.count(name) > 1:
                raise BadRequest(f"Two lines or zones are called {name!r}.", "Give each its own name.")
        if self.scale is not None and not 0 < self.scale < 1e6:
            raise BadRequest(f"The scale is {self.scale} pixels a metre.", "Give a number above 0.")


@dataclass(frozen=True, kw_only=True)
class CountsView:
    """What of the counts is drawn on one frame.

    Attributes:
        lines: With how many went in and out so far.
        zones: With how many are inside now.
        trails: By number, where the object was in the last seconds, the oldest place first.
    """

    lines: tuple[tuple[CountingLine, int, int], ...]
    zones: tuple[tuple[CountingZone, int], ...]
    trails: Mapping[int, Sequence[Point]]


class ObjectCounter:
    """Counts through one video. What it holds of an object goes when the object was not seen for ``forget_s``."""

    def __init__(self, options: CountOptions, size_wh: tuple[int, int], forget_s: float = 10.0) -> None:
        band = DEAD_BAND * float(np.hypot(*size_wh))
        self._lines = [_LineState(line, band) for line in options.lines]
        self._zones = [_ZoneState(zone) for zone in options.zones]
        self._forget_s = forget_s
        self._trails: dict[int, deque[tuple[float, Point]]] = {}
        self._last_s: float | None = None
        self._classes: dict[int, str] = {}

    def see(self, time_s: float, instances: Sequence[Instance], labels: Sequence[str]) -> list[Crossing]:
        """Take in the objects of the next frame; what crossed a line in it."""
        step_s = 0.0 if self._last_s is None else time_s - self._last_s
        self._last_s, crossings, here = time_s, list[Crossing](), set[int]()
        for one in instances:
            if one.track_id is None:
                continue
            number, point, name = one.track_id, middle(one), labels[one.class_id]
            here.add(number)
            self._classes[number] = name
            self._trails.setdefault(number, deque()).append((time_s, point))
            for line in self._lines:
                if direction := line.see(number, point, name):
                    crossings.append(
                        Crossing(
                            line=line.line.name, time_s=time_s, track_id=number, class_name=name, direction=direction
                        )
                    )
            for zone in self._zones:
                zone.see(number, point, name, step_s)
        self._forget(time_s, here)
        return crossings

    def _forget(self, time_s: float, here: set[int]) -> None:
        """Trails get as short as they are drawn; who was not seen for long has left."""
        gone = set[int]()
        for number, trail in self._trails.items():
            while len(trail) > 1 and trail[0][0] < time_s - TRAIL_S:
                trail.popleft()
            if number not in here and trail[-1][0] < time_s - self._forget_s:
                gone.add(number)
        for number in gone:
            del self._trails[number]
        for zone in self._zones:
            for number in zone.inside - here:
                if number in gone:
                    zone.leave(number)
        for line in self._lines:
            line.forget(gone)

    def speed(self, number: int) -> float | None:
        """Pixels a second over the last ``SPEED_S``; None where that is not known yet."""
        trail = self._trails.get(number)
        if not trail or trail[-1][0] - trail[0][0] < SPEED_S:
            return None
        time_s, (x, y) = trail[-1]
        for before, (x0, y0) in reversed(trail):
            if time_s - before >= SPEED_S - 1e-6:
                return float(np.hypot(x - x0, y - y0)) / (time_s - before)
        return None

    def view(self, instances: Sequence[Instance]) -> CountsView:
        """The counts so far, with the trails of these objects."""
        numbers = [one.track_id for one in instances if one.track_id in self._trails]
        trails = {number: [point for _, point in self._trails[number]] for number in numbers if number is not None}
        lines = ((s.line, sum(s.counts["in"].values()), sum(s.counts["out"].values())) for s in self._lines)
        zones = ((state.zone, len(state.inside)) for state in self._zones)
        return CountsView(lines=tuple(lines), zones=tuple(zones), trails=trails)

    def document(self) -> Mapping[str, Any]:
        """All counts as plain data: ``objects`` (by class), ``lines`` (in and out by class) and ``zones``."""
        lines = {s.line.name: {way: dict(sorted(s.counts[way].items())) for way in ("in", "out")} for s in self._lines}
        return {
            "objects": {
                "count": len(self._classes),
                "classes": dict(sorted(Counter(self._classes.values()).items())),
            },
            "lines": lines,
            "zones": {state.zone.name: _zone_document(state) for state in self._zones},
        }


def _zone_document(state: _ZoneState) -> Mapping[str, Any]:
    times = list(state.dwell_s.values())
    return {
        "now": len(state.inside),
        "entered": len(state.entered),
        "left": len(state.left),
        "classes": dict(sorted(Counter(state.entered.values()).items())),
        "dwell_s": {"mean": round(sum(times) / len(times), 3), "max": round(max(times), 3)} if times else None,
    }


def middle(one: Instance) -> Point:
    """Of the box."""
    left, top, right, bottom = one.box_xyxy
    return (left + right) / 2, (top + bottom) / 2
