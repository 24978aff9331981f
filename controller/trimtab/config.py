"""What an operator can set: trimtab.yaml, TRIMTAB_* variables, options; later ones win. Secrets come from files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path

from trimtab.errors import ConfigError
from trimtab.model.windows import SyncWindow

ENVIRONMENT_PREFIX = "TRIMTAB_"
DEFAULT_INSTALLATION = "default"
_INSTALLATION = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
# Where values come from, beside the file.
_ENVIRONMENT, _OPTION = "the environment", "an option"
# How alike a name has to be for "did you mean"; the prefix alone makes names alike.
_NEAR = 0.8
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, None: 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryConfig:
    """One repository to watch. ``credential_file`` holds a password or token, ``ssh_key_file`` a private key."""

    url: str
    branch: str = ""
    path: str = ""
    name: str = ""
    excludes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    username: str = ""
    credential_file: str = ""
    ssh_key_file: str = ""
    known_hosts_file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything, with its default."""

    repositories: tuple[RepositoryConfig, ...] = ()
    sync_windows: tuple[SyncWindow, ...] = ()
    data_dir: Path = field(default_factory=lambda: default_data_dir(os.environ))
    installation: str = DEFAULT_INSTALLATION
    docker_host: str = ""
    listen: str = "127.0.0.1:8410"
    http_hosts: str = ""
    http_token_file: str = ""
    poll_interval_s: float = 30.0
    resync_interval_s: float = 300.0
    settle_s: float = 5.0
    engine_calls: int = 8
    builds: int = 2
    passes: int = 4
    history: int = 50
    image_prefix: str = "trimtab"
    builder: str = "auto"
    min_free_mib: int = 512
    archive_days: int = 0
    log_level: str = "info"


def default_data_dir(environment: Mapping[str, str]) -> Path:
    """/var/lib/trimtab for root, the user's own data directory else."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/trimtab")
    base = environment.get("XDG_DATA_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local" / "share")
    return Path(base) / "trimtab"


def load_config(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
) -> Config:
    """The configuration; ``options`` that are None were not given.

    Raises:
        ConfigError: an unknown key, or a value that does not fit, with the place it comes from.
    """
    variables = os.environ if environment is None else environment
    config = Config(data_dir=default_data_dir(variables))
    if file is not None:
        config = _apply(config, _read(file), str(file))
    named = {
        key.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for key, value in sorted(variables.items())
        if key.startswith(ENVIRONMENT_PREFIX) and value
    }
    known = {f.name for f in fields(Config)} - {"repositories", "sync_windows"}
    short = {name.removesuffix("_s"): name for name in known}
    config = _apply(config, {short[k]: v for k, v in named.items() if k in short}, _ENVIRONMENT)
    given = {key: value for key, value in (options or {}).items() if value is not None}
    config = _apply(config, given, _OPTION)
    if not _INSTALLATION.fullmatch(config.installation):
        raise ConfigError(
            f"'{config.installation}' cannot be an installation id",
            hint="use lower-case letters, digits and '-', at most 40",
        )
    return config


def unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What to tell of each TRIMTAB_ variable that is no setting; not an error, since a machine sets what it likes."""
    known = sorted(
        f"{ENVIRONMENT_PREFIX}{name.upper()}"
        for field in fields(Config)
        if field.name not in {"repositories", "sync_windows"}
        for name in {field.name, field.name.removesuffix("_s")}
    )
    told = []
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT_PREFIX) and environment[name] and name not in known:
            near = get_close_matches(name, known, n=1, cutoff=_NEAR)
            hint = f"did you mean {near[0]}?" if near else "it is not read"
            told.append(f"the variable {name} is no setting of Trimtab: {hint}")
    return tuple(told)


def _read(file: Path) -> Mapping[str, object]:
    import yaml

    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file} does not exist", hint="give another --config") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark is not None else str(file)
        said = error.problem or error.context or "it is no YAML"
        raise ConfigError(f"{place}: {said}", hint="mend that line") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{file} cannot be read: {said}", hint="give another --config") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{file} is not a mapping of settings")
    return {_snake(str(key)): value for key, value in data.items()}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower().replace("-", "_")


def _apply(config: Config, values: Mapping[str, object], where: str) -> Config:
    kinds = {f.name: f for f in fields(Config)}
    aliases = {name.removesuffix("_s"): name for name in kinds}
    changed: dict[str, object] = {}
    for key, value in values.items():
        name = key if key in kinds else aliases.get(key, "")
        if not name:
            raise ConfigError(f"unknown setting '{key}' in {where}", hint=_meant(key, kinds))
        changed[name] = _converted(name, value, getattr(config, name), where)
    return replace(config, **changed)  # type: ignore[arg-type]  # each value has the type of the field it replaces


def _converted(name: str, value: object, default: object, where: str) -> object:
    try:
        if name == "repositories":
            return (
                tuple(_repository(item, where) for item in value)
                if isinstance(value, list | tuple)
                else _bad(name, where)
            )
        if name == "sync_windows":
            return _windows(value, where)
        if isinstance(default, Path):
            return Path(str(value)).expanduser()
        if isinstance(default, bool):
            return str(value).lower() in {"1", "true", "yes", "on"}
        if isinstance(default, int):
            return int(str(value))
        if isinstance(default, float):
            return seconds(str(value))
    except ValueError:
        fits = "a duration, such as 30s or 5m" if isinstance(default, float) else "a whole number"
        raise ConfigError(f"'{value}' does not fit {_place(name, where)}", hint=f"write {fits}") from None
    return str(value)


def _camel(name: str) -> str:
    first, *rest = name.removesuffix("_s").split("_")
    return first + "".join(word.capitalize() for word in rest)


def _meant(key: str, kinds: Collection[str]) -> str:
    known = {_camel(name): name for name in kinds}
    near = get_close_matches(_camel(key), known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(sorted(known))}"


def _place(name: str, where: str) -> str:
    """A setting as it was written where it comes from."""
    short = name.removesuffix("_s")
    if where == _ENVIRONMENT:
        return f"{ENVIRONMENT_PREFIX}{short.upper()}"
    return f"--{short.replace('_', '-')}" if where == _OPTION else f"'{_camel(name)}' in {where}"


def _bad(name: str, where: str) -> object:
    raise ConfigError(f"'{name}' in {where} has to be a list")


def seconds(text: str) -> float:
    """A duration such as 30, 30s, 5m, 1.5h, in seconds. Raises ValueError."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        message = f"'{text}' is not a duration"
        raise ValueError(message)
    return float(match[1]) * _SECONDS[match[2]]


def _repository(item: object, where: str) -> RepositoryConfig:
    if isinstance(item, RepositoryConfig):
        return item
    if not isinstance(item, Mapping):
        raise ConfigError(f"a repository in {where} has to be a mapping with at least 'url'")
    known = {f.name for f in fields(RepositoryConfig)}
    values: dict[str, object] = {}
    for key, value in item.items():
        name = {"repo_url": "url", "target_revision": "branch"}.get(_snake(str(key)), _snake(str(key)))
        if name not in known:
            raise ConfigError(
                f"unknown setting '{key}' of a repository in {where}", hint=f"known are: {', '.join(sorted(known))}"
            )
        if name == "excludes":
            values[name] = tuple(str(v) for v in value) if isinstance(value, list) else (str(value),)
        elif name == "environment":
            values[name] = {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}
        else:
            values[name] = str(value)
    if not values.get("url"):
        raise ConfigError(f"a repository in {where} has no 'url'")
    return RepositoryConfig(**values)  # type: ignore[arg-type]  # converted above, name by name


def _windows(value: object, where: str) -> tuple[SyncWindow, ...]:
    from pydantic import ValidationError

    from trimtab.manifest.kinds.windows import ControllerWindow
    from trimtab.model.diagnostics import Origin

    if not isinstance(value, list | tuple):
        raise ConfigError(f"'syncWindows' in {where} has to be a list")
    windows = []
    for number, item in enumerate(value):
        if isinstance(item, SyncWindow):
            windows.append(item)
            continue
        try:
            # As JSON, because strict pydantic then takes lists for tuples.
            window = ControllerWindow.model_validate_json(json.dumps(item, default=str))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in (f"syncWindows[{number}]", *first["loc"]))
            known = ", ".join(sorted(field.alias or name for name, field in ControllerWindow.model_fields.items()))
            raise ConfigError(f"{place} in {where}: {first['msg']}", hint=f"known are: {known}") from None
        windows.append(window.to_model(Origin(where), window.applications))
    return tuple(windows)
