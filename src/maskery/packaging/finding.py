"""What ``maskery doctor`` says of one thing."""

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from maskery.core.errors import MaskeryError
from maskery.core.settings import Settings

Level = Literal["ok", "warning", "fault"]


class SetupFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at.

    Attributes:
        subject: What it is, one of the fixed names in ``doctor.CHECKS``.
        level: ``fault``: the server would not start, or not do its work; ``warning``: it might surprise.
        says: What was seen, with its figures.
        cure: What to do; empty where all is well.
    """

    subject: str
    level: Level
    says: str
    cure: str = ""


Check = Callable[[Settings], Iterable[SetupFinding]]


def fine(subject: str, says: str) -> SetupFinding:
    """All is well."""
    return SetupFinding(subject=subject, level="ok", says=says)


def warning(subject: str, says: str, cure: str) -> SetupFinding:
    """It works, and might surprise."""
    return SetupFinding(subject=subject, level="warning", says=says, cure=cure)


def fault(subject: str, says: str, cure: str) -> SetupFinding:
    """It does not work."""
    return SetupFinding(subject=subject, level="fault", says=says, cure=cure)


def fault_of(subject: str, error: MaskeryError) -> SetupFinding:
    """An error of Maskery's as a finding."""
    return fault(subject, error.message, error.cure or "See docs/settings.md.")
