"""Text values of a query or a form, read and refused as FastAPI does it: with where, what and which kind of fault."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from maskery.core.errors import nearest

TRUE = frozenset(("true", "1", "yes", "on", "t", "y"))
FALSE = frozenset(("false", "0", "no", "off", "f", "n"))


@dataclass(frozen=True)
class Fault:
    """``place``: what FastAPI calls ``loc``: query or body, then the name."""

    place: tuple[str, ...]
    message: str
    kind: str


@dataclass
class Values:
    """``where``: "query" or "body". Reading collects ``faults`` and goes on with the default, to report all."""

    where: str
    pairs: list[tuple[str, str]]
    faults: list[Fault] = field(default_factory=list)

    def expect(self, known: Iterable[str], elsewhere: Iterable[str] = ()) -> None:
        """Each name is ``known`` and given once. ``elsewhere``: names that belong into the other place."""
        names = [name for name, _ in self.pairs]
        for name in dict.fromkeys(names):
            if name in elsewhere:
                other = "form" if self.where == "query" else "query"
                self.fault(name, f"Not here: put it into the {other}", "extra_forbidden")
            elif name not in known:
                self.fault(name, f"Unknown parameter. {nearest(name, known)}", "extra_forbidden")
            elif names.count(name) > 1:
                self.fault(name, "Given twice", "value_error")

    def text(self, name: str) -> str | None:
        """The value, None where it is absent or empty."""
        return next((value for key, value in self.pairs if key == name and value), None)

    def boolean(self, name: str) -> bool:
        """False where it is absent."""
        text = (self.text(name) or "false").lower()
        if text not in TRUE | FALSE:
            self.fault(name, "Input should be a valid boolean, unable to interpret input", "bool_parsing")
        return text in TRUE

    def integer(self, name: str, standard: int, most: int | None = None) -> int:
        """A whole number from 0 to ``most``."""
        text = self.text(name)
        if text is None:
            return standard
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
            message = "Input should be a valid integer, unable to parse string as an integer"
            self.fault(name, message, "int_parsing")
            return standard
        if int(text) < 0:
            self.fault(name, "Input should be greater than or equal to 0", "greater_than_equal")
        if most is not None and int(text) > most:
            self.fault(name, f"Input should be less than or equal to {most}", "less_than_equal")
        return int(text)

    def fault(self, name: str, message: str, kind: str) -> None:
        """Note that something is wrong with the value ``name``."""
        self.faults.append(Fault((self.where, name), message, kind))
