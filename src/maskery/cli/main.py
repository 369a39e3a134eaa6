"""``maskery``: the verbs, loaded when called, and the one table from errors to exit codes."""

import contextlib
import errno
import io
import os
import sys
from importlib import import_module

import click

from maskery.core.errors import (
    BadRequest,
    ConfigError,
    DataError,
    InputError,
    LossAboveLimit,
    MaskeryError,
    ModelError,
    OutputError,
    TrainingError,
    UnknownModel,
)
from maskery.core.version import __version__

# verb -> (module, one line for --help); the module is imported only when its verb is used.
VERBS = {
    "segment": ("maskery.cli.segment", "Segment pictures, folders or globs."),
    "folder": ("maskery.cli.folder", "Segment every picture of a folder, archive or bucket; resumable."),
    "video": ("maskery.cli.video", "Run a model over a video: masks, tracks, counts, reports."),
    "serve": ("maskery.cli.serve", "Start the server with its page and API."),
    "jobs": ("maskery.cli.jobs", "Long work by a server: submit, list, watch, fetch, cancel."),
    "models": ("maskery.cli.models", "List, pull, verify, add, import and remove models."),
    "quantise": ("maskery.cli.quantise", "Make a model smaller and faster, within a measured loss."),
    "evaluate": ("maskery.cli.evaluate", "Measure a model on a data set."),
    "compare": ("maskery.cli.compare", "Run two models on the same pictures."),
    "data": ("maskery.cli.data", "Check a data set: counts, damaged files, leaks, a sheet of pictures."),
    "train": ("maskery.cli.train", "Train a model by a recipe."),
    "export": ("maskery.cli.export", "Turn a training run into a model that serves."),
    "package": ("maskery.cli.package", "Write a deployment: container, Kubernetes, Cloud Run, systemd, bundle."),
    "doctor": ("maskery.cli.doctor", "Say what is wrong with this installation, and how to mend it."),
    "size": ("maskery.cli.size", "Measure here what a model takes; requests, limits and replicas for a load."),
}

# The first class that matches an error decides.
EXIT_CODES: tuple[tuple[type[MaskeryError], int], ...] = (
    (BadRequest, 2),
    (ConfigError, 2),
    (UnknownModel, 4),
    (InputError, 3),
    (LossAboveLimit, 6),
    (ModelError, 4),
    (DataError, 5),
    (TrainingError, 5),
    (MaskeryError, 1),
)


class Verbs(click.Group):
    """A group whose commands live in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(import_module(VERBS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="maskery")
def cli() -> None:
    """Image segmentation: the same mask from the command line, Python and HTTP.

    Data goes to stdout, words and progress to stderr. Exit codes: 0 done, 1 some pictures failed, 2 wrong use, or a
    file that is not there or cannot be written, 3 a picture that cannot be read, 4 a model problem, 5 a data set or
    training problem, 6 a loss above its limit.
    """


def exit_code(error: MaskeryError) -> int:
    """The process's exit code for ``error``."""
    return next(code for kind, code in EXIT_CODES if isinstance(error, kind))


def main() -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of files may be no UTF-8, or the locale no UTF-8
            stream.reconfigure(errors="backslashreplace")
    try:
        cli.main(standalone_mode=False)
    except MaskeryError as error:
        click.echo(f"maskery: {error}", err=True)
        sys.exit(exit_code(error))
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("maskery: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our stdout has gone; Python would complain again when it flushes at exit.
        _drop_stdout()
        sys.exit(1)
    except OSError as error:
        if error.errno not in FULL:
            raise
        click.echo(f"maskery: standard output could not be written: {error.strerror}.", err=True)
        _drop_stdout()
        sys.exit(exit_code(OutputError("")))


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF, errno.EFBIG)


def _drop_stdout() -> None:
    """Let nobody flush it again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
