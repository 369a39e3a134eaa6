"""``maskery package``."""

from pathlib import Path

import click


@click.command()
@click.argument("target")
@click.option("--manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="TOML file of it all.")
@click.option("--model", "models", multiple=True, metavar="NAME", help="Model; repeatable, the first is the default.")
@click.option("--memory", metavar="SIZE", help="Limit of one process: 512MB, 1GiB.  [default: 512MB]")
@click.option("--precision", type=click.Choice(["float", "int8"]), help="int8: the models' twins.  [default: float]")
@click.option("--port", type=int, help="Port that the server listens on.  [default: 8000]")
@click.option("--size", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="What size --json printed.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder to write.")
def package(
    target: str,
    manifest: Path | None,
    models: tuple[str, ...],
    memory: str | None,
    precision: str | None,
    port: int | None,
    size: Path | None,
    output: Path,
) -> None:
    """Write a deployment for TARGET: docker, kubernetes, cloudrun, systemd, bundle, bento.

    From one manifest, whose keys the options override; it is written beside the rest. Nothing is fetched: packages are
    those that are installed here. docs/deploy/
    """
    from maskery.core.settings import load_settings
    from maskery.packaging.manifest import read_manifest
    from maskery.packaging.size import read_advice
    from maskery.packaging.targets import write_package

    measured = read_advice(size) if size else {}
    options = {"models": list(models) or None, "memory": memory, "precision": precision, "port": port}
    given = measured | {name: value for name, value in options.items() if value is not None}
    commands = write_package(target, output, read_manifest(manifest, given), load_settings())
    click.echo(output)
    click.echo("\n".join(["Next:", *(f"  {line}" for line in commands)]), err=True)
