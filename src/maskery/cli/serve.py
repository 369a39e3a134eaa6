"""``maskery serve``."""

import gc
import logging
from pathlib import Path

import click


@click.command()
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.  [default: 8000]")
@click.option("--uds", metavar="PATH", help="Unix socket to listen on, in place of an address.")
@click.option("--bundle", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Bundle to serve from.")
@click.option(
    "--model", multiple=True, help="Model to load; repeatable, the first is the default.  [default: everyday]"
)
@click.option("--device", type=click.Choice(["cpu", "cuda", "auto"]), help="Where models run.  [default: cpu]")
@click.option("--threads", type=int, help="Threads of one model run; 0 = all usable cores.  [default: 0]")
@click.option("--precision", type=click.Choice(["float", "int8"]), help="int8: the models' twins.  [default: float]")
@click.option(
    "--memory",
    metavar="SIZE",
    help="Memory that the process may take: 512MB, 1.5GiB, none.  [default: the container's limit]",
)
@click.option("--jobs", metavar="FOLDER", help="Take jobs at /v1/jobs and keep them in FOLDER.")
@click.option("--max", "as_max", is_flag=True, help="Stand in for MAX-Image-Segmenter, on its port 5000.")
@click.option("--detect", is_flag=True, help="Stand in for the low-memory instance web app, on its port 8080.")
@click.option("--config", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="TOML file of settings.")
def serve(
    host: str | None,
    port: int | None,
    uds: str | None,
    bundle: Path | None,
    model: tuple[str, ...],
    device: str | None,
    threads: int | None,
    precision: str | None,
    memory: str | None,
    jobs: str | None,
    as_max: bool,
    detect: bool,
    config: Path | None,
) -> None:
    """Start the server. Every setting also has a variable MASKERY_... and a key in --config: docs/settings.md."""
    gc.disable()  # nothing of what starts is garbage; the server puts it on again
    click.get_current_context().call_on_close(gc.enable)
    from maskery.core.settings import load_settings, max_variables, service_links

    given = {"host": host, "port": port, "model": model or None, "device": device, "threads": threads, "memory": memory}
    given |= {
        "precision": precision,
        "jobs": jobs,
        "drop_in": "max" if as_max else "detect" if detect else None,
        "uds": uds,
    }
    if as_max and detect:
        raise click.UsageError("--max and --detect stand in for two servers: both APIs are served by each, give one.")
    if uds and (host or port is not None):
        raise click.UsageError("--uds takes the place of --host and --port.")
    if bundle:
        from maskery.packaging.bundle import open_bundle

        if config or model or precision:
            raise click.UsageError(
                "--bundle brings its own models and settings: leave out --config, --model, --precision."
            )
        opened = open_bundle(bundle)
        config, given["cache"] = opened.settings, str(opened.cache)
    settings = load_settings(given, config=config)
    from maskery.serving.server import serve as run
    from maskery.serving.telemetry.access_log import set_up_logging

    set_up_logging(settings.log_level, settings.log_format)
    for remark in max_variables()[1] if settings.drop_in == "max" else []:
        logging.getLogger("maskery").warning(remark)
    if links := service_links():
        passed = "passed over %d variables that Kubernetes sets for a Service: %s"
        logging.getLogger("maskery").info(passed, len(links), ", ".join(links))
    run(settings, lambda address: click.echo(f"maskery: ready on {address}", err=True))
