"""Objects followed from frame to frame: ByteTrack (Zhang et al., ECCV 2022, arXiv 2110.06864).

Where each object should be by now is predicted by a Kalman filter with constant velocity. Boxes that the model is sure
of are paired with the predictions first, so that the sum of their overlaps is the largest; unsure ones then with what
is left, so that an object that is half hidden keeps its number. A new object begins with a sure box only, and gets a
number once it was seen in several frames in a row: numbers have no gaps, and a box that comes once is never counted.

With the settings of ``ByteTrackTracker`` of the library trackers 2.6.1 it gives the same tracks; the tests have
recorded ones. The defaults here are others, measured in docs/video.md.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from maskery.core.arrays import Doubles
from maskery.core.result.instances import Box, Instance
from maskery.inference.video.assignment import best_pairs

MEASURED, DRIFT = 0.1, 0.01
"""Variances, in square pixels: of the edges of a box as the model gives it, and of what a frame adds to the motion."""

OTHER_CLASS = 0.7
"""What a pair of different classes is worth: rather than change its class, an object goes with a box a little off."""


@dataclass(frozen=True, kw_only=True)
class TrackerOptions:
    """What is followed and for how long.

    Attributes:
        least: Boxes with a lower score, 0..1, are passed over.
        sure: The least score of the boxes that are paired first.
        begins: The least score of a box that begins a track.
        overlap: The least intersection over union of a box and its prediction, 0..1.
        confirm_frames: In how many frames in a row an object must be seen before it gets a number.
        lost_frames: For how many frames an object may be hidden and still keep its number.
    """

    least: float = 0.3
    sure: float = 0.5
    begins: float = 0.6
    overlap: float = 0.3
    confirm_frames: int = 2
    lost_frames: int = 60


class Track:
    """One object. ``number``: None until it is confirmed. ``unseen``: frames since it was seen, 0 = in this one.

    All four edges of the box have the same variances, so those of one edge and its velocity are kept.
    """

    def __init__(self, box: Box) -> None:
        self.number: int | None = None
        self.unseen, self.in_a_row = 0, 1
        self.classes: Counter[int] = Counter()
        self._edges: Doubles = np.array(box, np.float64)
        self._velocity: Doubles = np.zeros(4)
        self._variance, self._shared, self._of_velocity = 1.0, 0.0, 1.0

    @property
    def box_xyxy(self) -> Doubles:
        """(4,): where the object should be."""
        return self._edges

    @property
    def class_id(self) -> int:
        """The class that most frames gave it; of equals the first."""
        return self.classes.most_common(1)[0][0]

    def predict(self) -> None:
        """Go on by one frame: the Kalman filter's prediction."""
        self._edges = self._edges + self._velocity
        self._variance += 2 * self._shared + self._of_velocity + DRIFT
        self._shared += self._of_velocity
        self._of_velocity += DRIFT
        if self.unseen:
            self.in_a_row = 0
        self.unseen += 1

    def update(self, box: Box) -> None:
        """Take in where it was seen: the Kalman filter's correction."""
        whole = self._variance + MEASURED
        gain, gain_of_velocity = self._variance / whole, self._shared / whole
        error = np.array(box, np.float64) - self._edges
        self._edges = self._edges + gain * error
        self._velocity = self._velocity + gain_of_velocity * error
        self._of_velocity -= gain_of_velocity * self._shared
        self._variance, self._shared = (1 - gain) * self._variance, (1 - gain) * self._shared
        self.unseen = 0
        self.in_a_row += 1


class Tracker:
    """The objects of one video, frame by frame. It holds those that are there or were lost a short time ago."""

    def __init__(self, options: TrackerOptions) -> None:
        self._options = options
        self._tracks: list[Track] = []
        self._numbers = 0

    def update(self, instances: Sequence[Instance]) -> list[Instance | None]:
        """The objects of the next frame with their numbers and the class of their track, in the order given.

        None for what is not to be shown: an unsure box that belongs to no track. ``track_id`` is None until the object
        is confirmed.
        """
        for track in self._tracks:
            track.predict()
        sure = [i for i, one in enumerate(instances) if one.score >= self._options.sure]
        unsure = [i for i, one in enumerate(instances) if self._options.least <= one.score < self._options.sure]
        found: dict[int, Track] = {}
        left = self._pair(instances, sure, self._tracks, found)
        self._pair(instances, unsure, left, found)
        begun = [i for i in sure if i not in found and instances[i].score >= self._options.begins]
        for i in begun:
            found[i] = Track(instances[i].box_xyxy)
            self._tracks.append(found[i])
        for i, track in found.items():
            track.classes[instances[i].class_id] += 1
        self._tracks = [track for track in self._tracks if self._stays(track)]
        return [self._numbered(one, found.get(i)) for i, one in enumerate(instances)]

    def _pair(
        self, instances: Sequence[Instance], chosen: Sequence[int], tracks: Sequence[Track], found: dict[int, Track]
    ) -> list[Track]:
        """Give each of the ``chosen`` objects its track; the tracks that are left."""
        left = dict(enumerate(tracks))
        boxes = np.array([instances[i].box_xyxy for i in chosen], np.float64).reshape(-1, 4)
        overlaps = box_overlaps(np.array([track.box_xyxy for track in tracks]).reshape(-1, 4), boxes)
        classes = np.array([instances[i].class_id for i in chosen], np.int64)
        other = np.array([track.class_id for track in tracks], np.int64)[:, None] != classes[None, :]
        for row, column in best_pairs(np.where(other, OTHER_CLASS, 1.0) * overlaps):
            if overlaps[row, column] >= self._options.overlap:
                track = left.pop(row)
                track.update(instances[chosen[column]].box_xyxy)
                if track.number is None and track.in_a_row >= self._options.confirm_frames:
                    self._numbers += 1
                    track.number = self._numbers
                found[chosen[column]] = track
        return list(left.values())

    def _stays(self, track: Track) -> bool:
        return track.unseen == 0 or (track.number is not None and track.unseen < self._options.lost_frames)

    def _numbered(self, one: Instance, track: Track | None) -> Instance | None:
        if track is None:
            return one if one.score >= self._options.sure else None
        return replace(one, track_id=track.number, class_id=track.class_id)


def box_overlaps(one: Doubles, other: Doubles) -> Doubles:
    """(R, 4) and (C, 4) boxes, left, top, right, bottom -> (R, C) intersection over union, 0..1."""
    shared = np.minimum(one[:, None, 2:], other[None, :, 2:]) - np.maximum(one[:, None, :2], other[None, :, :2])
    inside = np.prod(np.maximum(shared, 0), axis=2)
    areas = [np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1) for boxes in (one, other)]
    whole = areas[0][:, None] + areas[1][None, :] - inside
    return np.where(whole > 0, inside / np.where(whole > 0, whole, 1), 0.0)
