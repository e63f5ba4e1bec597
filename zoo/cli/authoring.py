"""``zoo new``, ``zoo doctor`` and ``zoo hub-server``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("new")
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to write it; by default zoo-NAME here.")
def new_command(name: str, folder: Path | None) -> None:
    """Scaffold the plugin zoo-NAME: it installs and passes its conformance tests as generated."""
    from zoo.authoring.new import scaffold

    path = scaffold(name, folder)
    click.echo(f"wrote {path}; next:\n  pip install -e {path}\n  pytest {path}\n  zoo list --plugin {name}")


@click.command("doctor")
def doctor_command() -> None:
    """Which plugins work, which are broken and why; and what the environment says."""
    from zoo.authoring.doctor import report

    text, healthy = report()
    click.echo(text)
    raise SystemExit(0 if healthy else 1)


@click.command("hub-server")
@click.option("--port", default=8765, show_default=True, help="0 picks a free one.")
@click.option("--token", default="hf_test", show_default=True, help="The only token that is accepted.")
def hub_server_command(port: int, token: str) -> None:
    """Run a local Hugging Face Hub in memory, until interrupted.

    It misbehaves on request: curl $HF_ENDPOINT/misbehave -d '{"file": "model.safetensors", "status": 503, "times": 2}'
    (or cut_at, flip_at, body, retry_after, stall).
    """
    from zoo.testing.hub_server import HubServer

    hub = HubServer(port, token)
    click.echo(f"export HF_ENDPOINT={hub.endpoint} HF_TOKEN={token} HF_HUB_DISABLE_XET=1")
    hub.server.serve_forever()
