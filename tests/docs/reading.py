"""What the documentation holds that can be checked: fenced blocks, commands, links, files of an example repository."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<body>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+)$", re.MULTILINE)
_PROMPT = "$ trimtab "
# The first line of a block that is a file of the page's example repository: "# path: web/Dockerfile".
_PATH = re.compile(r"\A# path: (?P<path>\S+)\n")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; ``line`` is where its text begins."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def documents() -> tuple[Path, ...]:
    """Every page that a reader of the project is meant to see."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return (*top, *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/*/README.md")))


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        yield Block(page, text.count("\n", 0, match.start("body")) + 1, match["language"].strip(), match["body"])


def commands(block: Block) -> Iterator[tuple[int, list[str]]]:
    """The arguments of each ``$ trimtab ...`` line; what follows a ``#``, ``|``, ``>`` or ``&&`` is the shell's."""
    for offset, line in enumerate(block.text.splitlines()):
        if line.lstrip().startswith(_PROMPT):
            lexer = shlex.shlex(line.lstrip().removeprefix("$ trimtab "), posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            words = list(lexer)
            ends = [number for number, word in enumerate(words) if set(word) <= set("|>&;") and word]
            yield block.line + offset, words[: ends[0]] if ends else words


def links(page: Path) -> Iterator[str]:
    """The targets of a page's links, outside of its blocks."""
    for match in _LINK.finditer(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        yield match["target"]


def anchors(page: Path) -> frozenset[str]:
    """What a link may name behind '#': headings as forges write them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found = (match["text"].strip().lower() for match in _HEADING.finditer(text))
    return frozenset(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in found)


def example_files(page: Path) -> Mapping[str, str]:
    """The files of the repository that a page shows."""
    files = {}
    for block in blocks(page):
        if (match := _PATH.match(block.text)) is not None:
            files[match["path"]] = block.text[match.end() :]
    return files
