"""What this package adds to the ``zoo`` command: new, doctor, train and hub-server.

The core finds it as it finds every plugin, through an entry point. What commands need is imported when they run.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from zoo.cli.options import EntryName
from zoo.cli.output import echo_json
from zoo.errors import InputError
from zoo.hooks import hookimpl


@click.command("new", short_help="Scaffold a plugin that installs and passes its tests.")
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to write it; by default zoo-NAME here.")
def new_command(name: str, folder: Path | None) -> None:
    """Scaffold the plugin zoo-NAME: it installs and passes its conformance tests as generated."""
    from zoo.authoring.new import scaffold

    path = scaffold(name, folder)
    click.echo(f"wrote {path}; next:\n  pip install -e {path}\n  pytest {path}\n  zoo list --plugin {name}")


@click.command("doctor", short_help="Which plugins work, which are broken and why.")
def doctor_command() -> None:
    """Which plugins work, which are broken and why; and what the environment says."""
    from zoo.authoring.doctor import report

    text, healthy = report()
    click.echo(text)
    raise SystemExit(0 if healthy else 1)


@click.command("train", short_help="Reproduce the bundled weights of a preset from a seed.")
@click.argument("name", type=EntryName())
@click.option("--seed", default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="File to write; by default NAME.safetensors.")
def train_command(name: str, seed: int, out: Path | None) -> None:
    """Reproduce the bundled weights of NAME from a seed, on the CPU."""
    from zoo import catalogue, configuration
    from zoo.authoring import train

    target = catalogue.current().find(name)
    entry = target.offer.entry
    if entry.train is None:
        raise InputError(f"{entry.id} has no training of its own")
    instance = configuration.merge(entry, target.preset).instance
    path = out or Path(f"{entry.id}-{target.preset or 'default'}.safetensors")
    result = train.reproduce(entry, instance, preset=target.preset, seed=seed, path=path, log=click.echo)
    echo_json({"file": str(path), "size": result.size, "sha256": result.sha256, **result.metrics})


@click.command("hub-server", short_help="Run a local Hub for tests and demonstrations.")
@click.option("--port", default=8765, type=click.IntRange(0, 65535), show_default=True, help="0 picks a free one.")
@click.option("--token", default="hf_test", show_default=True, help="The only token that is accepted.")
def hub_server_command(port: int, token: str) -> None:
    """Run a local Hugging Face Hub in memory, until interrupted.

    It misbehaves on request: curl $HF_ENDPOINT/misbehave -d '{"file": "model.safetensors", "status": 503, "times": 2}'
    (or cut_at, flip_at, body, retry_after, stall).
    """
    from zoo.testing.hub_server import HubServer

    try:
        hub = HubServer(port, token)
    except OSError as error:
        raise InputError(f"port {port} cannot be used: {error.strerror}; --port 0 picks a free one") from error
    click.echo(f"export HF_ENDPOINT={hub.endpoint} HF_TOKEN={token}")
    hub.server.serve_forever()


@hookimpl
def zoo_commands() -> Iterable[click.Command]:
    """The commands of this module."""
    return new_command, train_command, doctor_command, hub_server_command
