"""The pages of docs/reference that are made from the code: command line, errors, configuration, deadlines."""

# ruff: noqa: E501 - lines of pages, as wide as they are
from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from enum import Enum
from pathlib import Path
from typing import Any

from typer.main import get_command

from tests.docs import codes, deadlines
from tests.support.compose_table import SERVICE
from trimtab.cli.main import COMMANDS, app
from trimtab.config import Config, RepositoryConfig
from trimtab.manifest.kinds.windows import ControllerWindow

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
_MADE = "<!-- Made from the code by tests/docs; `python -m tests.docs.update` writes it anew. -->"


def pages() -> Mapping[Path, str]:
    """Every page that is made, whole."""
    return {
        REFERENCE / "cli.md": _cli(),
        REFERENCE / "compose.md": _compose(),
        REFERENCE / "errors.md": _errors(),
        REFERENCE / "configuration.md": _configuration(),
        REFERENCE / "deadlines.md": _page("Deadlines", *deadlines.lines()),
    }


def _page(title: str, *lines: str) -> str:
    return "\n".join([f"# {title}", "", _MADE, "", *lines]).rstrip("\n") + "\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


# --- command line -----------------------------------------------------------------------------------------------------


def verbs() -> Mapping[str, Any]:
    """Every verb whose module is there, and its command."""
    group: Any = get_command(app)
    there = [verb for verb, (module, _) in COMMANDS.items() if importlib.util.find_spec(module) is not None]
    return {verb: group.get_command(None, verb) for verb in there}


EXIT_CODES = (
    ("0", "done, or nothing to do"),
    ("1", "an error, a wrong use of the command line among them"),
    ("2", "changes are pending (`diff`, and `plan` with `--detailed-exitcode`)"),
    ("3", "denied or held: a guard refused, an approval is missing, another controller has the engine"),
)


def _cli() -> str:
    lines = [
        "Every verb answers `--help`; `trimtab --version` prints the version. Answers go to standard output, what is",
        "said beside them (problems, progress, hints) to standard error, so that `-o json` can be piped.",
        "",
        "## Exit codes",
        "",
        _row("code", "meaning"),
        "|---|---|",
        *(_row(code, meaning) for code, meaning in EXIT_CODES),
        "",
        "## Options that many verbs share",
        "",
        "`--config`, `--data-dir` and `--installation` are told in [Configuration](configuration.md). The verbs that ask",
        "the controller or read what it wrote need the same `--data-dir` as the `trimtab run` they are about; those",
        "that look at the engine need the same `--installation`, too.",
        "",
    ]
    for verb, command in verbs().items():
        lines += [
            f"## trimtab {verb}",
            "",
            str(command.help).replace("\n", " "),
            "",
            f"    {_usage(verb, command)}",
            "",
        ]
        rows = [_row(*_parameter(parameter)) for parameter in command.params if parameter.name != "help"]
        if rows:
            lines += [_row("argument or option", "meaning", "default"), "|---|---|---|", *rows, ""]
    return _page("Command line", *lines)


def _usage(verb: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    shown = [_argument(p) if p.required else f"[{_argument(p)}]" for p in arguments]
    return " ".join(["trimtab", verb, *(["[OPTIONS]"] if len(arguments) < len(command.params) else []), *shown])


def _argument(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper()).strip("[]")


def _parameter(parameter: Any) -> tuple[str, str, str]:
    if parameter.param_type_name == "argument":
        name = f"`{_argument(parameter)}`"
    else:
        name = ", ".join(f"`{text}`" for text in (*parameter.opts, *parameter.secondary_opts))
        name += " (may be repeated)" if parameter.multiple else ""
    return name, str(parameter.help or ""), _default(parameter)


def _default(parameter: Any) -> str:
    value = parameter.default
    if value in (None, "", False, ()):
        return "required" if parameter.required else ""
    if value is True and parameter.secondary_opts:
        return f"`{parameter.opts[0]}`"
    return f"`{value.value if isinstance(value, Enum) else value}`"


# --- compose ----------------------------------------------------------------------------------------------------------


def _compose() -> str:
    lines = [
        "What becomes of each attribute that the Compose Specification gives a service. A test renders an example of every",
        "one, so that none is ignored in silence.",
        "",
        '- *honoured*: it is carried out on the engine; "in place" means that a running container takes a change over.',
        "- *read*: it is resolved when the files are read.",
        "- *noted*: it changes nothing that runs on a plain engine, and a remark says so.",
        "- *refused*: the application is not touched until it is gone.",
        "",
        _row("attribute", "", "how"),
        "|---|---|---|",
    ]
    for name in sorted(SERVICE):
        attribute = SERVICE[name]
        how = f"{attribute.how} ({attribute.code})" if attribute.code else attribute.how
        lines.append(_row(f"`{name}`", attribute.word, how))
    return _page("Compose attributes of a service", *lines)


# --- errors -----------------------------------------------------------------------------------------------------------

SECTIONS = (
    ("TT00", "Configuration and repositories", ("TT0",)),
    ("TT10", "Manifests: YAML, files, variables, merging", ("TT10",)),
    ("TT12", "Manifests: Compose attributes and references", ("TT12",)),
    ("TT15", "Manifests: our kinds, discovery, patches", ("TT15",)),
    ("TT16", "Manifests: across applications", ("TT16", "TT17")),
    ("TT20", "What the engine cannot carry out", ("TT2",)),
    ("TT30", "Guards, approvals and waiting", ("TT3",)),
    ("TT40", "Images", ("TT4",)),
    ("TT50", "Releases", ("TT5",)),
    ("TT60", "What may pass: the outside world", ("TT6",)),
    ("TT90", "Ours", ("TT9",)),
)


def _errors() -> str:
    lines = [
        "A message of Trimtab reads `file:line:column: severity code: what happened (what to do)`. The code tells what",
        "kind of trouble it is; once released, it keeps its meaning. `trimtab validate`, the text of a plan,",
        "`status` and `events` show it, JSON has it as `code`.",
        "",
        "What the controller does next depends on the kind. *stalls*: until an input changes or a person asks. *waits*:",
        "nothing is wrong, something else has to happen first. *retries*: by itself, with growing delays. A *diagnostic*",
        "is a remark about a manifest; with the severity `error`, its application is not touched.",
        "",
    ]
    meanings, failures, noted = codes.meanings(), codes.errors(), codes.rendering()
    for _, title, prefixes in SECTIONS:
        chosen = [code for code in sorted(meanings) if code.startswith(prefixes)]
        lines += [f"## {title}", "", _row("code", "kind", "meaning"), "|---|---|---|"]
        for code in chosen:
            kind = f"{failures[code][0]}, {failures[code][1]}" if code in failures else "diagnostic"
            kind = "diagnostic (info)" if noted.get(code, ("", ""))[0] == "info" else kind
            lines.append(_row(code, kind, meanings[code]))
        lines.append("")
    return _page("Errors and diagnostics", *lines)


# --- configuration ----------------------------------------------------------------------------------------------------

SETTINGS: Mapping[str, str] = {
    "repositories": "The repositories to watch, a list; see below. Not as a variable.",
    "sync_windows": "When applications may, or may not, be changed, a list; see below. Not as a variable.",
    "data_dir": "Where state is kept: the database, mirrors of repositories, the installation's key.",
    "installation": "Which objects on the engine are ours. Two controllers on one engine need two ids.",
    "docker_host": "The engine: `unix://`, `tcp://` or `ssh://`. Empty: `DOCKER_HOST`, else the local socket.",
    "listen": "Where status, metrics and API are served; `off` for nowhere.",
    "http_hosts": "Names under which the listener is asked, beside `localhost` and addresses; separated by commas.",
    "http_token_file": "A file with the token that HTTP requests for a change have to bring; needed beyond loopback.",
    "poll_interval_s": "How often a remote repository is asked. Local ones are watched as well.",
    "resync_interval_s": "How often everything is looked at although nothing happened.",
    "settle_s": "How long all containers have to run well before a release counts as healthy.",
    "engine_calls": "Steps that are carried out on the engine at the same time.",
    "builds": "Images that are built at the same time.",
    "passes": "Applications that are worked on at the same time.",
    "history": "Releases that are remembered of each application.",
    "image_prefix": "The first part of the names of built images.",
    "builder": "`auto`, `engine` (the classic builder) or `buildx` (BuildKit).",
    "min_free_mib": "No image is built or pulled while less is free on the engine's disk; on this machine only. 0: off.",
    "archive_days": "Archives of removed volumes that are older are removed, each with an event. 0: they are kept for ever.",
    "log_level": "`debug`, `info`, `warning` or `error`.",
}
REPOSITORY_SETTINGS: Mapping[str, str] = {
    "url": "A path, `file://`, `ssh://`, `https://` or `user@host:path`. Needed. Also as `repoURL`.",
    "branch": "A branch, tag, semver range or commit; empty: the default branch. Also as `targetRevision`.",
    "path": "The directory to look in; empty: the root.",
    "name": "The name of an application at the root; empty: the repository's.",
    "excludes": "Directories and files to leave out: `*` stays in a name, `**` does not.",
    "environment": "Variables for interpolation, a mapping. They win over `.env`.",
    "username": "For https.",
    "credential_file": "A file with the password or token for https.",
    "ssh_key_file": "A private key for ssh; without it, the agent and the user's keys are tried.",
    "known_hosts_file": "Host keys for ssh; unknown hosts are then refused. Without it, a key is remembered at first sight.",
}


def _camel(name: str) -> str:
    first, *rest = name.removesuffix("_s").split("_")
    return first + "".join(word.capitalize() for word in rest)


def _shown(field: Field[Any]) -> str:
    if field.name == "data_dir":
        return "`/var/lib/trimtab` for root, else `~/.local/share/trimtab`"
    value = field.default if field.default is not MISSING else None
    if value in ("", (), None):
        return ""
    if isinstance(value, float):
        return f"`{value:g}s`"
    return f"`{value}`"


def _configuration() -> str:
    return _page("Configuration", *_configuration_lines())


def _configuration_lines() -> Iterator[str]:
    yield from (
        "Every setting can be given in a file (`--config trimtab.yaml`) and, but for the repositories, as a variable of",
        "the environment; some are options of a command as well. An option wins over a variable, a variable over the file,",
        "the file over the default. A duration is a number with `ms`, `s`, `m`, `h` or `d`; without a unit, seconds. In",
        "the file an unknown key is an error; in the environment, a `TRIMTAB_` name that is no setting is a warning.",
        "",
        "Secrets are read from files that a setting names. No setting takes a secret itself.",
        "",
        _row("in trimtab.yaml", "variable", "default", "meaning"),
        "|---|---|---|---|",
    )
    for field in fields(Config):
        name = f"TRIMTAB_{field.name.removesuffix('_s').upper()}"
        variable = "" if field.name in {"repositories", "sync_windows"} else f"`{name}`"
        yield _row(f"`{_camel(field.name)}`", variable, _shown(field), SETTINGS[field.name])
    yield from ("", "## A repository", "", _row("key", "meaning"), "|---|---|")
    for field in fields(RepositoryConfig):
        yield _row(f"`{_camel(field.name)}`", REPOSITORY_SETTINGS[field.name])
    yield from ("", "## A sync window", "", _row("key", "meaning"), "|---|---|")
    for name, window_field in ControllerWindow.model_fields.items():
        yield _row(f"`{_camel(name)}`", window_field.description or "Shown where the window holds something.")
    yield from (
        "",
        "## An example",
        "",
        "```yaml",
        "# trimtab.yaml",
        "installation: production",
        "dataDir: /var/lib/trimtab",
        "pollInterval: 1m",
        "repositories:",
        "  - url: https://git.example.com/shop.git",
        "    branch: main",
        "    path: deploy",
        "    username: trimtab",
        "    credentialFile: /etc/trimtab/shop.token",
        "  - url: git@git.example.com:platform.git",
        '    branch: "^2.1"',
        "    sshKeyFile: /etc/trimtab/id_ed25519",
        "    excludes: [drafts, '**/testdata/**']",
        "syncWindows:",
        "  - {kind: allow, schedule: '0 22 * * MON-THU', duration: 2h, timeZone: Europe/Berlin, applications: ['prod-*']}",
        "  - {kind: deny, schedule: '0 0 24 12 *', duration: 72h, manualSync: true, description: holidays}",
        "```",
    )
