"""``trimtab hand-over``: what a helper container runs that replaces a controller's own container."""

from __future__ import annotations

from typing import Annotated

import typer

from trimtab.cli.common import ConfigOption, InstallationOption, explained, settings, tell


def hand_over(
    old: Annotated[str, typer.Option("--old", help="The id of the controller's container.")],
    new: Annotated[str, typer.Option("--new", help="The id of the one that takes its place.")],
    name: Annotated[str, typer.Option("--name", help="The name that the new one gets.")],
    helper: Annotated[str, typer.Option("--helper", help="The container that this runs in; it removes itself.")],
    grace: Annotated[int, typer.Option("--grace", help="Seconds that a controller may take to stop.")] = 30,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds until the new one has to be well.")] = 600.0,
    config: ConfigOption = None,
    installation: InstallationOption = None,
) -> None:
    """Replace a controller's own container; started by the controller, in a container of its own."""
    with explained():
        from trimtab.backends.engine.client import EngineClient
        from trimtab.backends.engine.exchange import Exchange, leave, stay_stopped
        from trimtab.backends.engine.handover import PUT_BACK

        chosen = settings(config, installation=installation)
        client = EngineClient(chosen.docker_host)
        try:
            exchange = Exchange(
                client, installation=chosen.installation, old=old, new=new, name=name, grace_s=grace,
                deadline_s=timeout, say=tell,
            )  # fmt: skip
            if exchange.run():
                leave(client, helper)
                return
            stay_stopped(client, helper)
        finally:
            client.close()
    raise typer.Exit(PUT_BACK)
