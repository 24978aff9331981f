"""``trimtab run``: the controller in the foreground, until it is told to stop."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer

from trimtab.cli.common import (
    EXIT_ERROR,
    ConfigOption,
    DataDirOption,
    InstallationOption,
    explained,
    fail,
    settings,
    tell,
)


def run(
    repo: Annotated[
        list[str] | None,
        typer.Option(
            "--repo", help="A Git repository: path, file://, ssh://, https://. May be repeated.", show_default=False
        ),
    ] = None,
    branch: Annotated[str, typer.Option("--branch", help="Branch, tag, semver range or commit of every --repo.")] = "",
    path: Annotated[str, typer.Option("--path", help="The directory of every --repo to look in.")] = "",
    listen: Annotated[
        str | None,
        typer.Option(
            "--listen", help="Where status, metrics and API are served; 'off' for nowhere.", show_default=False
        ),
    ] = None,
    poll_interval: Annotated[
        str | None,
        typer.Option("--poll-interval", help="How often remote repositories are asked (30s).", show_default=False),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", help="debug, info, warning or error.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
    installation: InstallationOption = None,
) -> None:
    """Watch repositories and converge until stopped."""
    with explained():
        from trimtab.config import RepositoryConfig

        chosen = settings(
            config, data_dir, installation, listen=listen, poll_interval_s=poll_interval, log_level=log_level
        )
        given = tuple(RepositoryConfig(url=url, branch=branch, path=path) for url in repo or ())
        chosen = replace(chosen, repositories=(*chosen.repositories, *given))
        if not chosen.repositories:
            fail(
                "there is no repository to watch", hint="give --repo URL, or --config trimtab.yaml with 'repositories'"
            )
        if chosen.log_level not in {"debug", "info", "warning", "error"}:
            fail(f"--log-level '{chosen.log_level}' is none of debug, info, warning, error")

        from trimtab.cli.watched import remember
        from trimtab.observability.lean import load_structlog

        load_structlog()
        from trimtab.observability import logging
        from trimtab.runtime.signals import stop_on_signals
        from trimtab.wiring.controller import Controller
        from trimtab.wiring.readside import read_side
        from trimtab.wiring.starting import patiently

        redactor = logging.configure(stream=sys.stderr, level=chosen.log_level)
        with stop_on_signals() as stop:
            controller = patiently(
                lambda: Controller(chosen, redactor=redactor, stop=stop),
                stop=stop,
                tell=lambda error, delay_s: tell(f"{error}; trying again in {delay_s:g} s"),
            )
            if controller is None:
                return
            remember(controller.store.facts, chosen.repositories)
            server = None
            try:
                if chosen.listen != "off":
                    from trimtab.web.authority import read_token
                    from trimtab.web.server import serve

                    hosts, token = chosen.http_hosts.split(","), read_token(chosen.http_token_file)
                    server = serve(chosen.listen, read_side(controller), hosts=hosts, token=token)
                    tell(f"status at {server.address}")
                controller.start()
                for repository in chosen.repositories:
                    tell(f"watching {repository.url}" + (f" ({repository.path})" if repository.path else ""))
                while not stop.wait(3600):
                    pass
            finally:
                if server is not None:
                    server.stop()
                left = controller.stop()
    if left:
        tell(f"left unfinished: {', '.join(str(key) for key in left)}; the next start goes on from what is there")
        raise typer.Exit(EXIT_ERROR)
