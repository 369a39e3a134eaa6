"""A project's labelling configuration (XML) -> the regions that it takes, and the model's classes for its labels.

The XML comes from strangers. Expat is asked for start and end tags only, nothing builds a tree, and a document type,
the one place where entities can be declared, is refused: nothing can expand, and nothing is fetched.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.parsers import expat

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest
from maskery.core.labels import SYNONYMS
from maskery.core.result.capabilities import HasClassMap, HasInstances
from maskery.encode.options import Options, from_text
from maskery.inference.tasks.registry import task_of

LONGEST = 1 << 20  # characters
KEYPOINT = "keypointlabels"
"""A tag that only points at things; its regions are no answer."""
SHAPES = {"brushlabels": "mask", "polygonlabels": "polygon", "rectanglelabels": "box"}
# An exact outline has a corner for every step of the pixels; nobody wants to edit that.
TOLERANCE = 1.0
# Pixels; of polygons and rectangles, for each piece is a region of its own that somebody must look at.
MIN_AREA = 64
# Attributes of a control that say how its regions are made, as other backends have them.
OPTIONS = {"model_tolerance": "tolerance", "model_min_area": "min_area"}

VARIABLE = re.compile(r"\$(\w+)((?:\.\w+|\[\d+\])*)")
"""In the value of an Image tag: a name of the task's data, and the way into what lies there."""

_EXAMPLE = 'Use <Image name="image" value="$image"/> and <BrushLabels name="label" toName="image"> with labels.'


@dataclass(frozen=True)
class Label:
    """``value``: what a region of this label says. ``names``: what a model may call it, the likeliest first."""

    value: str
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Control:
    """One tag that takes regions.

    Attributes:
        name: the tag's name, which results carry as ``from_name``.
        to_name: name of the image tag that the regions lie on.
        key: where a task's data has the picture, or the list of its pictures: ``$image``, ``$images[0].url``.
        kind: the tag's type in lower case.
        labels: what a region may be called, in the configuration's order.
        options: how its regions are made.
    """

    name: str
    to_name: str
    key: str
    kind: str
    labels: tuple[Label, ...]
    options: Options


@dataclass(frozen=True, kw_only=True)
class SmartTag:
    """A tag with which somebody points at things.

    Attributes:
        kind: the tag's type in lower case.
        name: the tag's name.
        to_name: name of the image tag that it is used on.
        smart: whether Label Studio then asks for a mask.
        labels: what it may be used for.
    """

    kind: str
    name: str
    to_name: str
    smart: bool
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Config:
    """``ignored``: what was found and is not used, in words. ``smart_tags``: the tags that could point at things."""

    controls: tuple[Control, ...]
    ignored: tuple[str, ...]
    smart_tags: tuple[SmartTag, ...] = ()


def read_config(xml: str) -> Config:
    """Raises ``BadRequest`` for what is no XML, has a document type, or has no control for an image."""
    if len(xml) > LONGEST:
        raise BadRequest(f"The labelling configuration has {len(xml):,} characters.", f"At most {LONGEST:,} are read.")
    tags = _Tags()
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler, parser.EndElementHandler = tags.start, tags.end
    parser.StartDoctypeDeclHandler = tags.refuse
    try:
        parser.Parse(xml.encode("utf-8"), True)
    except (expat.ExpatError, UnicodeEncodeError) as error:
        raise BadRequest(
            f"The labelling configuration is not valid XML: {error}.", "Save the project again."
        ) from error
    return tags.config()


@dataclass
class _Tag:
    kind: str
    attributes: dict[str, str]
    labels: list[dict[str, str]] = field(default_factory=list)


class _Tags:
    """Controls with their labels, and images, as the parser comes by them."""

    def __init__(self) -> None:
        self._owners: list[_Tag | None] = [None]  # by depth: the control that a label there belongs to
        self._controls: list[_Tag] = []
        self._points: list[_Tag] = []
        self._images: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = _Tag(name.lower(), {key.lower(): value for key, value in attributes.items()})
        owner = self._owners[-1]
        if tag.kind in SHAPES or tag.kind == KEYPOINT:
            (self._controls if tag.kind in SHAPES else self._points).append(tag)
            owner = tag
        elif tag.kind == "image":
            value = tag.attributes.get("value") or tag.attributes.get("valuelist", "")
            self._images[tag.attributes.get("name", "")] = value
        elif tag.kind == "label" and owner:
            owner.labels.append(tag.attributes)
        self._owners.append(owner)

    def end(self, _: str) -> None:
        self._owners.pop()

    def refuse(self, *_: object) -> None:
        raise BadRequest("The labelling configuration has a document type (DOCTYPE).", "Leave it out.")

    def config(self) -> Config:
        ignored: list[str] = []
        controls = [control for tag in self._controls if (control := self._control(tag, ignored))]
        if not controls:
            why = f" ({'; '.join(ignored[:3])})" if ignored else ""
            kinds = "BrushLabels, PolygonLabels or RectangleLabels"
            raise BadRequest(f"The labelling configuration has no {kinds} for an Image{why}.", _EXAMPLE)
        return Config(tuple(controls), tuple(ignored), tuple(map(_smart_tag, (*self._points, *self._controls))))

    def _control(self, tag: _Tag, ignored: list[str]) -> Control | None:
        name, to_name = tag.attributes.get("name", ""), tag.attributes.get("toname", "")
        key = self._images.get(to_name, "")
        if not name or not VARIABLE.search(key):
            what = "has no name" if not name else f"is for {to_name!r}, which is no Image with a value like $image"
            ignored.append(f"{tag.kind} {name!r} {what}")
            return None
        return Control(
            name=name, to_name=to_name, key=key, kind=tag.kind, labels=_labels(tag), options=_options(tag, ignored)
        )


def _smart_tag(tag: _Tag) -> SmartTag:
    given = tag.attributes
    smart = given.get("smart", "").lower() == "true" or given.get("smartonly", "").lower() == "true"
    labels = tuple(label.value for label in _labels(tag))
    return SmartTag(
        kind=tag.kind, name=given.get("name", ""), to_name=given.get("toname", ""), smart=smart, labels=labels
    )


def _labels(tag: _Tag) -> tuple[Label, ...]:
    """One a value; a region of a label with an alias says the alias."""
    found: dict[str, Label] = {}
    for attributes in tag.labels:
        value, alias = attributes.get("value", ""), attributes.get("alias", "")
        wanted = [name.strip() for name in attributes.get("predicted_values", "").split(",")]
        names = tuple(name for name in (*wanted, alias, value) if name)
        if alias or value:
            found.setdefault(alias or value, Label(alias or value, names))
    return tuple(found.values())


def _options(tag: _Tag, ignored: list[str]) -> Options:
    """Raises ``BadRequest`` for a value that is none."""
    shape = SHAPES[tag.kind]
    given = {name: text for name, text in tag.attributes.items() if name.startswith("model_")}
    known = OPTIONS if shape == "polygon" else {"model_min_area": "min_area"}
    ignored += [f"attribute {name} of {tag.attributes['name']!r}" for name in given if name not in known]
    pairs = {known[name]: text for name, text in given.items() if name in known}
    if shape == "polygon":
        pairs.setdefault("tolerance", str(TOLERANCE))
    if shape != "mask":
        pairs.setdefault("min_area", str(MIN_AREA))
    labels = {"from_name": tag.attributes["name"], "to_name": tag.attributes["toname"]}
    return from_text({**pairs, **labels, "shape": shape})


@dataclass(frozen=True)
class Part:
    """What is drawn for one control: ``labels`` by new id, and the new id of each class of the model, -1 for none."""

    control: Control
    labels: tuple[str, ...]
    new_ids: tuple[int, ...]


@dataclass(frozen=True)
class DrawingPlan:
    """``ignored``: what of the configuration is not used, in words."""

    parts: tuple[Part, ...]
    ignored: tuple[str, ...]


def plan_of(config: Config, card: ModelCard) -> DrawingPlan:
    """Nothing is drawn by a model that must be asked by clicks. Raises ``BadRequest`` for a model without masks."""
    task = task_of(card)
    if task.prompted:
        return DrawingPlan((), config.ignored)
    if not (task.gives(HasClassMap) or task.gives(HasInstances)):
        raise BadRequest(f"{card.name} is {task.noun}: it has no regions.", "Use a model that gives masks.")
    ignored = list(config.ignored)
    parts = tuple(_part(control, card, ignored) for control in config.controls)
    return DrawingPlan(parts, tuple(ignored))


def _part(control: Control, card: ModelCard, ignored: list[str]) -> Part:
    """A class belongs to the first label that names it; several classes may share a label (predicted_values)."""
    classes = {_canonical(name): i for i, name in reversed(list(enumerate(card.labels)))}
    new_ids, values = [-1] * len(card.labels), list[str]()
    for label in control.labels:
        free = [i for i in _named(label, classes) if new_ids[i] < 0]
        for i in free:
            new_ids[i] = len(values)
        if free:
            values.append(label.value)
        else:
            ignored.append(f"label {label.value!r} of {control.name!r}: no class of {card.name} for it")
    return Part(control, tuple(values), tuple(new_ids))


def _named(label: Label, classes: dict[str, int]) -> Iterable[int]:
    return dict.fromkeys(classes[name] for name in map(_canonical, label.names) if name in classes)


def _canonical(name: str) -> str:
    """Without case, with spaces for underscores and hyphens, and by the spelling that ``SYNONYMS`` lead to."""
    plain = " ".join(name.lower().replace("_", " ").replace("-", " ").split())
    return SYNONYMS.get(plain, plain)
