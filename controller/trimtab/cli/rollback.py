"""``trimtab rollback``: the ``git revert`` commit that puts an older release back, made and pushed; or ``--pin``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.common import (
    EXIT_ERROR,
    AppArgument,
    BranchOption,
    ConfigOption,
    DataDirOption,
    Output,
    OutputOption,
    RepoOption,
    SubPathOption,
    document,
    explained,
    say,
    settings,
)
from trimtab.model.keys import AppKey

if TYPE_CHECKING:
    from trimtab.cli.undoing import Undoing


def rollback(
    app: AppArgument,
    *,
    to: Annotated[int | None, typer.Option("--to", help="The release to go back to, by its id in history.")] = None,
    pin: Annotated[
        bool, typer.Option("--pin", help="Hold it now, without a commit, until Git takes it back, too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    repo: RepoOption = None,
    branch: BranchOption = "",
    subpath: SubPathOption = "",
    output: OutputOption = Output.TEXT,
    config: ConfigOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Take back in Git what changed since a release: by default the one before the current, that ran well.

    With --pin Git need not be reachable: the release is held until the branch has a commit that takes back the same,
    or until 'trimtab sync' or 'trimtab resume'.
    """
    with explained():
        from trimtab import wiring
        from trimtab.cli.undoing import open_undoing

        chosen, key = settings(config, data_dir), AppKey.parse(app)
        with contextlib.ExitStack() as closing:
            store = wiring.open_store(chosen)
            closing.callback(store.close)
            undoing = closing.enter_context(
                open_undoing(chosen, store, key, repo=repo, branch=branch, subpath=subpath, offline=pin)
            )
            undoing.choose(to)
            if not pin:
                _revert(undoing, output, yes=yes)
                return
        _pin(undoing, output, config, data_dir)


def _pin(undoing: Undoing, output: Output, config: Path | None, data_dir: Path | None) -> None:
    from trimtab.cli.requests import ask
    from trimtab.model.records import RequestVerb

    arguments = {"revision": undoing.target.revision, "branch_revision": undoing.head.revision}
    ask(str(undoing.key), RequestVerb.PIN, arguments, wait=True, output=output, config=config, data_dir=data_dir)


def _revert(undoing: Undoing, output: Output, *, yes: bool) -> None:
    target, text = undoing.target, output not in {Output.JSON, Output.YAML}
    commits = undoing.commits()
    if text:
        subject = f' "{target.subject}"' if target.subject else ""
        say(f"{undoing.key}: back to release {target.id}, {target.revision[:7]}{subject}")
        say(f"takes back, of {len(commits)} commit{'' if len(commits) == 1 else 's'} since then:")
        for commit in commits:
            say(f"  {commit.revision[:7]}  {commit.author[:20]:<20} {commit.subject}".rstrip())
        say(f"in {', '.join(undoing.paths) if undoing.paths else 'the whole repository'} of {undoing.source.url}")
    if not yes and text and sys.stdin.isatty() and sys.stdout.isatty() and not typer.confirm("Push that commit?"):
        raise typer.Exit(EXIT_ERROR)
    made = undoing.push(commits)
    if text:
        say(f"pushed {made.revision[:7]}: {made.subject}")
        say("a running controller deploys it by itself; without one: trimtab apply")
        return
    answer = {
        "formatVersion": 1,
        "app": str(undoing.key),
        "release": target.id,
        "revision": target.revision,
        "repository": undoing.source.url,
        "paths": list(undoing.paths),
        "reverted": [commit.revision for commit in commits],
        "commit": made.revision,
    }
    document(answer, output)
