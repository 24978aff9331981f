"""``trimtab adopt --generate``: the compose file that says what runs, checked by planning it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.cli.common import say, tell
from trimtab.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trimtab.backends.engine.adoptions import Adopted
    from trimtab.backends.engine.candidates import Candidate
    from trimtab.backends.engine.client import EngineClient
    from trimtab.backends.engine.describe import Described, Surroundings
    from trimtab.backends.engine.steps import EngineStep
    from trimtab.config import Config
    from trimtab.model.keys import AppKey
    from trimtab.runtime.planner import Look

FILE = "compose.yaml"
ENV_FILE = ".env"
IGNORE_FILE = ".gitignore"


def generate(config: Config, *, project: str, containers: Mapping[str, str], name: str, out: Path | None) -> None:
    """Describe a project or single containers: print the file, or write it with its secrets beside it."""
    if out is not None:
        out = out / FILE if out.is_dir() else out
        for file in (out, out.parent / ENV_FILE):
            if file.exists():
                raise UserError(f"{file} is there already", hint="nothing is overwritten: give another --out")
    described, kept = described_containers(config, project=project, containers=containers, name=name)
    text = as_yaml(described)
    if out is None:
        say(text.rstrip("\n"))
    else:
        _write(out, text, described)
    _tell(described, out)
    _check(config, text, described, kept)


def described_containers(
    config: Config, *, project: str, containers: Mapping[str, str], name: str
) -> tuple[Described, tuple[Candidate, ...]]:
    """The description, and the containers that it is of."""
    from trimtab import wiring
    from trimtab.backends.engine import adopting, candidates
    from trimtab.backends.engine.describe import describe
    from trimtab.model.keys import DEFAULT_NAMESPACE, AppKey

    engine = wiring.open_engine(config, keep_key=False)
    try:
        found = [*candidates.named(engine.client, containers)] if containers else []
        found += candidates.of_project(engine.client, project) if project else ()
        app = AppKey(DEFAULT_NAMESPACE, name or project or (found[0].name if found else ""))
        kept, left = adopting.describable(found, app, config.installation)
        for one, why in left:
            tell(f"left out: container {one.name} {why}")
        if not kept:
            raise UserError("there is nothing to describe", hint="give --project NAME or --container NAME")
        objects, around = _surroundings(engine.client, engine.dialect.seal_key, kept, app)
        engine.driver.suppose((*adopting.numbered(app, kept), *objects))
        return describe(app.project, engine.driver.observe(app).live, around), kept
    finally:
        engine.close()


def _surroundings(
    client: EngineClient, seal_key: bytes, kept: Sequence[Candidate], app: AppKey
) -> tuple[tuple[Adopted, ...], Surroundings]:
    """The networks and volumes that only these containers have, and those that others have as well."""
    from trimtab.backends.engine import candidates
    from trimtab.backends.engine.adopting import forbidden
    from trimtab.backends.engine.adoptions import Adopted
    from trimtab.backends.engine.describe import Surroundings
    from trimtab.model.keys import Kind, ResourceKey

    wanted = {(Kind.NETWORK, network) for one in kept for network in one.networks}
    wanted |= {(Kind.VOLUME, name) for one in kept for name in one.volumes.values() if not candidates.anonymous(name)}
    shared = candidates.shared(client, {one.handle for one in kept})
    own: list[Adopted] = []
    external: dict[str, dict[str, str]] = {"networks": {}, "volumes": {}}
    for one in candidates.objects(client, seal_key, sorted(wanted)):
        called = one.called(app.project)
        foreign = one.project not in {"", app.project} or (not one.project and (one.kind, one.name) in shared)
        if foreign or forbidden(one, app, ""):
            external[f"{one.kind.value}s"][one.name] = one.name
        else:
            key = ResourceKey(app, one.kind, called)
            own.append(Adopted(key=key, handle=one.handle, name=one.name, witness=one.witness))
    depends = {one.service: one.labels.get(candidates.DEPENDS_ON, "") for one in kept}
    return tuple(own), Surroundings(external=external, depends_on=depends)


def as_yaml(described: Described) -> str:
    """The file's text."""
    import yaml

    return yaml.safe_dump(described.document, sort_keys=False, allow_unicode=True, default_flow_style=False, width=120)


def _write(out: Path, text: str, described: Described) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        if not described.variables.values:
            return
        _write_secret(out.parent / ENV_FILE, described.variables.env_file())
        ignore = out.parent / IGNORE_FILE
        lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.exists() else []
        if f"/{ENV_FILE}" not in lines:
            ignore.write_text("\n".join([*lines, f"/{ENV_FILE}"]) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}", hint="give another --out") from None


def _write_secret(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as handle:
        handle.write(text)


def _tell(described: Described, out: Path | None) -> None:
    if out is not None:
        tell(f"written to {out}")
    if places := described.variables.places:
        names = ", ".join(sorted(described.variables.values))
        tell(f"{len(places)} values look secret and are not in the file: {', '.join(sorted(set(places)))}")
        if out is not None:
            tell(f"they are in {out.parent / ENV_FILE}, which only you can read, and which .gitignore keeps out of Git")
        else:
            tell("with --out they are written into a .env beside it, which is kept out of Git")
        tell(f"a controller needs them as variables ({names}): the repository's 'environment' in trimtab.yaml")
    for note in described.notes:
        tell(f"warning: {note}")


def _check(config: Config, text: str, described: Described, kept: Sequence[Candidate]) -> None:
    """Say what the file could not."""
    from trimtab.cli.diff import lines

    look = first_look(config, text, described.variables.env_file(), kept)
    acting = tuple(change for change in look.plan.changes if change.acts)
    refused = [str(diagnostic) for diagnostic in look.verdict.diagnostics]
    if not acting and not refused:
        tell("checked: after 'trimtab adopt' the first plan is empty")
        return
    tell("the first plan would not be empty; what a compose file cannot say, or what is chosen otherwise here:")
    for line in (*lines(look.desired.app, acting), *refused):
        tell(f"  {line}")


def first_look(config: Config, text: str, env_file: str, kept: Sequence[Candidate]) -> Look[EngineStep]:
    """Plan the file as if it were in Git and all of it adopted."""
    from trimtab.cli.adopt import Adoption
    from trimtab.cli.session import open_session, require_applications

    with tempfile.TemporaryDirectory(prefix="trimtab-") as folder:
        (Path(folder) / FILE).write_text(text, encoding="utf-8")
        _write_secret(Path(folder) / ENV_FILE, env_file)
        with open_session(config, Path(folder), None) as session:
            views = session.views()
            require_applications(session, views)
            services = {one.handle: one.service for one in kept}
            return Adoption(session, views[0], project=None, containers=services).preview()
