"""The oracle's cases: directories with compose files, and what the real ``docker compose config`` makes of them.

``corpus/<case>/`` holds ``compose.yaml`` and what it needs, ``expected.json`` and ``expected-yaml.json``
(Compose's output in both formats, with the case's directory replaced by ``/case``), and perhaps
``case.json`` with ``files``, ``profiles``, ``env_files`` and ``environment``. ``rejected/<case>/`` holds
what Compose refuses: ``expected.txt`` is its message, and ``problems`` in ``case.json`` are the codes and
places that we report.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from trimtab.manifest.compose.shapes import Style

HERE = Path(__file__).parent
PLACEHOLDER = "/case"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One directory of input and the settings it is loaded with."""

    directory: Path
    files: tuple[str, ...] = ("compose.yaml",)
    profiles: tuple[str, ...] = ()
    env_files: tuple[str, ...] = ()
    environment: Mapping[str, str]
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The directory's name, which is the project's name as well."""
        return self.directory.name

    def expected(self, style: Style) -> Path:
        """Where Compose's document is stored, as JSON for both formats."""
        return self.directory / ("expected.json" if style is Style.JSON else "expected-yaml.json")

    @property
    def message(self) -> Path:
        """Where Compose's refusal is stored."""
        return self.directory / "expected.txt"


def cases(kind: str) -> list[Case]:
    """All cases of ``corpus`` or ``rejected``, sorted by name."""
    return [_read(path) for path in sorted((HERE / kind).iterdir()) if path.is_dir()]


def _read(directory: Path) -> Case:
    path = directory / "case.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return Case(
        directory=directory,
        files=tuple(settings.get("files", ["compose.yaml"])),
        profiles=tuple(settings.get("profiles", [])),
        env_files=tuple(settings.get("env_files", [])),
        environment=settings.get("environment", {}),
        problems=tuple(settings.get("problems", [])),
    )


@cache
def plugin_version() -> str:
    """The version of the ``docker compose`` plugin; "" if there is none."""
    try:
        done = subprocess.run(
            ["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False, timeout=60
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def ask_compose(case: Case, style: Style = Style.JSON) -> tuple[dict[str, object] | None, str]:
    """Compose's document, or None and why it refused."""
    command = ["docker", "compose", "--project-name", case.name]
    for flag, values in (("--file", case.files), ("--profile", case.profiles), ("--env-file", case.env_files)):
        command += [word for value in values for word in (flag, value)]
    # PATH and HOME find the plugin; nothing else of this machine's environment may reach a case.
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "DOCKER_CONFIG") if name in os.environ}
    done = subprocess.run(
        [*command, "config", "--format", style.value],
        cwd=case.directory,
        env={**environment, **case.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode != 0:
        return None, _portable(done.stderr.strip().splitlines()[-1], case)
    # Every JSON document is YAML.
    document: dict[str, object] = yaml.safe_load(_portable(done.stdout, case))
    return document, ""


def _portable(text: str, case: Case) -> str:
    directory = str(case.directory.resolve())
    # "../x" of a case leaves its directory; the parent gets a place of its own.
    return text.replace(directory, PLACEHOLDER).replace(str(case.directory.resolve().parent), "")
