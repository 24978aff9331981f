"""The reference says what the code says; where it does not, ``python -m tests.docs.update`` writes it anew."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from tests.docs import codes
from tests.docs.pages import EXIT_CODES, REPOSITORY_SETTINGS, SECTIONS, SETTINGS, pages, verbs
from trimtab.cli import common
from trimtab.cli.main import COMMANDS, SUMMARIES
from trimtab.config import Config, RepositoryConfig, load_config


@pytest.mark.parametrize("path", sorted(pages()), ids=lambda path: path.name)
def test_a_page_is_what_the_code_says(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == pages()[path], "run: .venv/bin/python -m tests.docs.update"


def test_every_code_has_a_meaning_and_every_meaning_a_code() -> None:
    assert set(codes.meanings()) == codes.used()


def test_every_code_is_in_exactly_one_section() -> None:
    for code in codes.meanings():
        assert [title for _, title, prefixes in SECTIONS if code.startswith(prefixes)], code
        assert sum(code.startswith(prefixes) for _, _, prefixes in SECTIONS) == 1, code


def test_every_setting_is_told() -> None:
    assert list(SETTINGS) == [field.name for field in fields(Config)]
    assert list(REPOSITORY_SETTINGS) == [field.name for field in fields(RepositoryConfig)]


def test_every_verb_is_listed_with_a_summary() -> None:
    assert list(SUMMARIES) == list(COMMANDS)
    assert all(command.help for command in verbs().values())


def test_exit_codes_are_those_of_the_commands() -> None:
    # A command that is done says nothing; the others have names.
    known = {"0"} | {str(value) for name, value in vars(common).items() if name.startswith("EXIT_")}
    assert {code for code, _ in EXIT_CODES} == known


def test_the_example_of_a_configuration_can_be_loaded(tmp_path: Path) -> None:
    page = next(text for path, text in pages().items() if path.name == "configuration.md")
    file = tmp_path / "trimtab.yaml"
    file.write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    config = load_config(file, environment={})
    written = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert config.poll_interval_s == 60.0
    assert [window.kind for window in config.sync_windows] == ["allow", "deny"]
    assert [repository.url for repository in config.repositories] == [item["url"] for item in written["repositories"]]


@pytest.mark.parametrize("field", [f.name for f in fields(Config) if f.name not in {"repositories", "sync_windows"}])
def test_every_setting_can_be_a_variable_and_a_key_of_the_file(field: str, tmp_path: Path) -> None:
    values = {
        "data_dir": "/d",
        "engine_calls": "3",
        "builds": "3",
        "passes": "3",
        "history": "3",
        "min_free_mib": "3",
        "archive_days": "3",
    }
    value = values.get(field, "7s" if field.endswith("_s") else "abc")
    page = next(text for path, text in pages().items() if path.name == "configuration.md")
    row = next(line for line in page.splitlines() if f"`TRIMTAB_{field.removesuffix('_s').upper()}`" in line)
    key = row.split("`")[1]
    file = tmp_path / "trimtab.yaml"
    file.write_text(f"{key}: {value}\n", encoding="utf-8")
    from_file = load_config(file, environment={"HOME": "/h"})
    from_variable = load_config(environment={"HOME": "/h", row.split("`")[3]: value})
    assert (
        getattr(from_file, field)
        == getattr(from_variable, field)
        != getattr(load_config(environment={"HOME": "/x"}), field)
    )
