"""What the documentation shows is there: commands with these options, links, decisions, examples that are valid."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.docs.pages import verbs
from tests.docs.reading import ROOT, Block, anchors, blocks, commands, documents, example_files, links
from trimtab.cli.main import COMMANDS, app

PAGES = documents()
SHOWN = [(block, line, words) for page in PAGES for block in blocks(page) for line, words in commands(block)]
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


@pytest.mark.parametrize(("block", "line", "words"), SHOWN, ids=[f"{b.page.name}:{line}" for b, line, _ in SHOWN])
def test_a_command_that_is_shown_exists_with_these_options(block: Block, line: int, words: list[str]) -> None:
    verb, *arguments = words
    if verb == "--version":
        return
    assert verb in COMMANDS, f"{block}: no verb {verb}"
    assert importlib.util.find_spec(COMMANDS[verb][0]) is not None, f"{block}: {verb} is not there"
    if "--help" not in arguments:
        # Parsed, not carried out; what does not fit raises.
        verbs()[verb].make_context(verb, list(arguments))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        target, _, anchor = link.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), f"{page.relative_to(ROOT)}: {link}"
        if anchor:
            assert anchor in anchors(found), f"{page.relative_to(ROOT)}: {link}"


def test_every_decision_is_listed_once_and_numbered_without_gaps() -> None:
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert [path.name[:4] for path in ADRS] == [f"{number:04}" for number in range(1, len(ADRS) + 1)]
    for path in ADRS:
        assert index.count(f"({path.name})") == 1, path.name
        title = path.read_text(encoding="utf-8").splitlines()[0]
        assert title.startswith(f"# {path.name[:4]}: "), path.name
        assert title.partition(": ")[2] in index, path.name


def test_every_page_of_the_documentation_is_in_its_contents() -> None:
    contents = {(ROOT / "docs" / link.partition("#")[0]).resolve() for link in links(ROOT / "docs" / "README.md")}
    for page in PAGES:
        if page.is_relative_to(ROOT / "docs") and page not in ADRS and page != ROOT / "docs" / "README.md":
            assert page in contents, page.relative_to(ROOT)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if example_files(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_example_repository_of_a_page_is_valid(page: Path, tmp_path: Path) -> None:
    for name, text in example_files(page).items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (tmp_path / ".git").mkdir()
    result = CliRunner().invoke(app, ["validate", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "warning" not in result.output, result.output
