"""Every error that Maskery raises on purpose, as one tree.

    MaskeryError
    +-- InputError              what the caller sent
    |   +-- PictureError            bytes that are no picture, or a damaged one
    |   |   +-- UnsupportedPicture      a kind of file that is not read
    |   |   +-- VideoError              bytes that are no video, or a damaged one
    |   +-- TooLarge                too many bytes or pixels
    |   +-- BadRequest              an unknown format, class, parameter ...
    |   |   +-- BadUrl                  a picture's URL that is not fetched: its form, its host, its address
    |   |       +-- PrivateHost             a host that is not on the public internet
    |   +-- UrlNotFetched           a picture's URL whose server does not give the picture
    |   |   +-- UnknownHost             a host that there is not
    |   |   +-- TooManyRedirects
    |   +-- NotAcceptable           an Accept header that no format satisfies
    |   +-- SlowRequest             a body that did not arrive in time
    |   +-- Unchanged               an answer that the caller has already
    |   +-- UnknownModel            no model of that name
    |   +-- UnknownJob              no job of that name, or one of somebody else
    |   +-- NotFinished             a result that is not there yet
    |   +-- Unauthorized            no API key, or an unknown one
    |   +-- RateLimited             more requests than the caller may send
    +-- ConfigError             settings, cards and recipes
    |   +-- OutputError             a file or folder that cannot be written
    +-- DataError               data sets for training and evaluation
    +-- ModelError              a model that cannot be loaded or does not do what its card says
    |   +-- NotPulled               a model of the catalogue whose file is not here yet
    |   +-- DeviceError             a device that was asked for and is not there
    |   +-- MissingExtra            a package of an extra is not installed
    |   +-- DownloadError           a model file that could not be fetched
    |   +-- ChecksumError           a model file whose sha256 is not the card's
    |   +-- LicenceError            a licence that must be accepted first
    |   +-- LossAboveLimit          a smaller model that is too much worse than what it was made from
    +-- TrainingError           a training run that cannot go on
    +-- Busy                    no room for another request now
    +-- RemoteError             a server that was asked and gave no answer of Maskery's

Each has a message, a ``cure`` (what the caller can do, one sentence) and a stable ``code`` for programs. Status codes
belong to the entry points (``serving/http/problems.py``, ``cli/main.py``) and are not known here.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class MaskeryError(Exception):
    """Base of all. ``str(error)`` is message and cure; the parts are attributes."""

    code = "error"

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(message, cure)
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        return f"{self.message} {self.cure}".strip()


class InputError(MaskeryError):
    code = "bad-input"


class PictureError(InputError):
    code = "damaged-picture"


class UnsupportedPicture(PictureError):
    code = "unsupported-picture"


class VideoError(PictureError):
    code = "damaged-video"


class TooLarge(InputError):
    code = "too-large"


class BadRequest(InputError):
    code = "bad-request"


class BadUrl(BadRequest):
    code = "bad-url"


class PrivateHost(BadUrl):
    pass


class UrlNotFetched(InputError):
    code = "url-not-fetched"


class UnknownHost(UrlNotFetched):
    pass


class TooManyRedirects(UrlNotFetched):
    pass


class NotAcceptable(InputError):
    code = "not-acceptable"


class SlowRequest(InputError):
    code = "slow-request"


class Unchanged(InputError):
    """``etag``: of the answer that the caller has."""

    code = "unchanged"

    def __init__(self, message: str, cure: str = "", etag: str = "") -> None:
        super().__init__(message, cure)
        self.etag = etag


class UnknownModel(InputError):
    code = "unknown-model"


class UnknownJob(InputError):
    code = "unknown-job"


class NotFinished(InputError):
    code = "not-finished"


class Unauthorized(InputError):
    code = "unauthorized"


class RateLimited(InputError):
    """``retry_after``: seconds after which to come back."""

    code = "rate-limited"

    def __init__(self, message: str, cure: str = "", retry_after: int = 1) -> None:
        super().__init__(message, cure)
        self.retry_after = retry_after


class ConfigError(MaskeryError):
    code = "bad-config"


class OutputError(ConfigError):
    code = "not-writable"


class DataError(MaskeryError):
    code = "bad-data"


class ModelError(MaskeryError):
    code = "model-error"


class NotPulled(ModelError):
    code = "model-not-pulled"


class DeviceError(ModelError):
    code = "no-such-device"


class MissingExtra(ModelError):
    code = "missing-extra"


class DownloadError(ModelError):
    code = "download-failed"


class ChecksumError(ModelError):
    code = "checksum-mismatch"


class LicenceError(ModelError):
    code = "licence-not-accepted"


class LossAboveLimit(ModelError):
    """``report``: what was measured, as data."""

    code = "loss-above-limit"

    def __init__(self, message: str, cure: str = "", report: Mapping[str, object] | None = None) -> None:
        super().__init__(message, cure)
        self.report = report or {}


class TrainingError(MaskeryError):
    code = "training-failed"


class Busy(MaskeryError):
    """``retry_after``: seconds after which to come back."""

    code = "busy"

    def __init__(self, message: str, cure: str = "", retry_after: int = 1) -> None:
        super().__init__(message, cure)
        self.retry_after = retry_after


def first_line(error: BaseException, longest: int = 300) -> str:
    """What an error of another library says, for a message of ours: its first line, or else the name of its class."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:longest]


class RemoteError(MaskeryError):
    code = "no-remote-answer"


def nearest(name: str, known: Iterable[str]) -> str:
    """The cure for a misspelt ``name``: the nearest of ``known``, or all of them."""
    names = list(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(names)}." if names else ""
