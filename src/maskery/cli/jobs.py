"""``maskery jobs``: long work by a server: submit, list, watch, fetch, cancel."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maskery.cli.output import json_text
from maskery.cli.progress import ProgressDisplay
from maskery.core.errors import BadRequest

if TYPE_CHECKING:
    from maskery.integrations.remote_jobs import RemoteJobs

VIDEOS = (".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".gif")
Command = Callable[..., Any]


def server_options(command: Command) -> Command:
    """--server and --key."""
    key = click.option("--key", metavar="KEY", envvar="MASKERY_KEY", help="API key.  [default: $MASKERY_KEY]")
    server = click.option("--server", metavar="URL", required=True, help="The server's address, http://host:port.")
    return server(key(command))


@click.group()
def jobs() -> None:
    """Many pictures, or a video, as a job of a server that was started with --jobs FOLDER. docs/jobs.md"""


@jobs.command()
@click.argument("inputs", nargs=-1, required=True, metavar="PATH|URL ...")
@server_options
@click.option("--kind", type=click.Choice(["pictures", "video"]), help="What they are.  [default: by the suffix]")
@click.option("--model", help="A model of the server.  [default: its first one]")
@click.option("--format", "formats", multiple=True, metavar="NAME", help="What to write; repeatable.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=JSON", help='Any other option: every=2, style="blur".')
@click.option("--watch", is_flag=True, help="Stay until it has ended.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FOLDER", help="Stay, and fetch the files.")
def submit(
    inputs: tuple[str, ...],
    server: str,
    key: str | None,
    kind: str | None,
    model: str | None,
    formats: tuple[str, ...],
    pairs: tuple[str, ...],
    watch: bool,
    output: Path | None,
) -> None:
    """Send files, or one address, and print the id of the job."""
    options = _options(pairs) | ({"model": model} if model else {}) | ({"formats": list(formats)} if formats else {})
    url = inputs[0] if inputs[0].startswith(("http://", "https://")) else None
    if url and len(inputs) > 1:
        raise BadRequest("An address was given with other files.", "A job takes one address, or files.")
    chosen = kind or ("video" if Path(inputs[0].partition("?")[0]).suffix.lower() in VIDEOS else "pictures")
    remote = _remote(server, key)
    job = remote.submit([] if url else list(inputs), kind=chosen, options=options, url=url)
    click.echo(job["id"])
    if watch or output:
        _follow(remote, job["id"], output)


@jobs.command(name="list")
@server_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_(server: str, key: str | None, as_json: bool) -> None:
    """Your jobs, newest first."""
    found = _remote(server, key).all()
    if as_json:
        click.echo(json_text(found))
        return
    for job in found:
        progress = job["progress"]
        share = "" if progress["share"] is None else f"{progress['share']:.0%}"
        click.echo(f"{job['id']}  {job['kind']:8}  {job['state']:9}  {share:>4}  {job['created']}")


@jobs.command()
@click.argument("job")
@server_options
def watch(job: str, server: str, key: str | None) -> None:
    """Say how a job goes until it has ended; the exit code is 1 where it did not succeed."""
    _follow(_remote(server, key), job, None)


@jobs.command()
@click.argument("job")
@server_options
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="Where to.")
def fetch(job: str, server: str, key: str | None, output: Path) -> None:
    """Get the files that a job has written; those that are here in full length are left out."""
    for path in _remote(server, key).fetch(job, output):
        click.echo(path)


@jobs.command()
@click.argument("job")
@server_options
@click.option("--remove", is_flag=True, help="Its files too.")
def cancel(job: str, server: str, key: str | None, remove: bool) -> None:
    """End a job; what it has written stays, unless --remove is given."""
    remote = _remote(server, key)
    if remove:
        remote.remove(job)
        click.echo(f"{job} is removed", err=True)
    else:
        click.echo(f"{job} is {remote.cancel(job)['state']}", err=True)


def _remote(server: str, key: str | None) -> "RemoteJobs":
    from maskery.integrations.client import Client

    return Client(server, key).jobs


def _options(pairs: tuple[str, ...]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise BadRequest(f"--set is {pair!r}.", "Give KEY=JSON: every=2, style=blur.")
        try:
            options[name] = json.loads(text)
        except ValueError:
            options[name] = text  # a word needs no quotes
    return options


def _follow(remote: "RemoteJobs", job: str, output: Path | None) -> None:
    with ProgressDisplay() as display:
        for event in remote.watch(job):
            display.update(_line(event))
    ended = remote.get(job)
    progress = ended["progress"]
    click.echo(f"{ended['state']}: {progress['done']} done, {progress['failed']} failed", err=True)
    if problem := ended["problem"]:
        click.echo(f"{problem['detail']} {problem['cure']}", err=True)
    if output:
        for path in remote.fetch(job, output):
            click.echo(f"wrote {path}", err=True)
    if ended["state"] != "succeeded":
        sys.exit(1)


def _line(event: Mapping[str, Any]) -> str:
    text = str(event["state"])
    if "done" in event:
        text += f"  {event['done']}" + (f"/{event['total']}" if event["total"] else "")
        text += f", {event['left_s']:.0f} s left" if event.get("left_s") else ""
    return text
