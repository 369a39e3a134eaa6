"""``maskery serve``."""

from pathlib import Path

import click


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.  [default: 8000]")
@click.option(
    "--model", multiple=True, help="Model to load; repeatable, the first is the default.  [default: everyday]"
)
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), help="Where models run.  [default: cpu]")
@click.option("--threads", type=int, help="Threads of one model run; 0 = all usable cores.  [default: 0]")
@click.option("--config", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="TOML file of settings.")
def serve(
    host: str | None,
    port: int | None,
    model: tuple[str, ...],
    device: str | None,
    threads: int | None,
    config: Path | None,
) -> None:
    """Start the server. Every setting also has a variable MASKERY_... and a key in --config: docs/settings.md."""
    from maskery.settings import load_settings

    given = {"host": host, "port": port, "model": model or None, "device": device, "threads": threads}
    settings = load_settings(given, config=config)
    from maskery.serving.access_log import set_up_logging
    from maskery.serving.server import serve as run

    set_up_logging(settings.log_level, settings.log_format)
    run(settings, lambda address: click.echo(f"maskery: ready on {address}", err=True))
