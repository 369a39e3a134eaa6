"""``maskery doctor``."""

from pathlib import Path

import click

from maskery.cli.output import json_text


@click.command()
@click.option("--config", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The server's TOML file.")
@click.option("--model", multiple=True, metavar="NAME", help="Model that is to be served; repeatable.")
@click.option("--memory", metavar="SIZE", help="Limit that the server is to have.")
@click.option("--threads", type=int, help="Threads of one model run that the server is to have.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(config: Path | None, model: tuple[str, ...], memory: str | None, threads: int | None, as_json: bool) -> None:
    """Look at all that a server depends on: installation, models, machine; say what is wrong and how to mend it.

    Takes settings as `maskery serve` does. Exit code 0: it would serve, perhaps with warnings; 1: a fault.
    """
    from maskery.packaging.doctor import diagnose, diagnosis_text

    diagnosis = diagnose({"model": list(model) or None, "memory": memory, "threads": threads}, config)
    click.echo(json_text(diagnosis) if as_json else diagnosis_text(diagnosis))
    if diagnosis.level == "fault":
        click.get_current_context().exit(1)
