"""Git repositories for tests: a work clone beside its bare remote, untouched by the machine's own Git settings."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERMETIC_GIT: Mapping[str, str] = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}
# What a surrounding Git command (a hook, a rebase) may have set for its own repository.
INHERITED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_CONFIG_COUNT")


def make_git_hermetic() -> None:
    """Set this process's environment so that Git, and the code under test, sees no settings but the defaults."""
    for name in INHERITED:
        os.environ.pop(name, None)
    os.environ.update(HERMETIC_GIT)


def git(cwd: Path, *arguments: str) -> str:
    """Run git in ``cwd`` and return what it printed, stripped; its complaint is in the error when it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in INHERITED} | HERMETIC_GIT
    done = subprocess.run(["git", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"git {' '.join(arguments)} in {cwd}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class GitRepo:
    """A work clone at ``path`` whose remote ``origin`` is the bare repository at ``remote``."""

    path: Path
    remote: Path

    @classmethod
    def create(cls, folder: Path, files: Mapping[str, str | bytes] | None = None, *, name: str = "repo") -> GitRepo:
        """Make ``folder/name`` and ``folder/name.git``, branch main; with ``files``, committed and pushed."""
        repo = cls(folder / name, folder / f"{name}.git")
        repo.remote.mkdir(parents=True)
        git(repo.remote, "init", "--quiet", "--bare", "--initial-branch=main")
        repo.path.mkdir(parents=True)
        git(repo.path, "init", "--quiet", "--initial-branch=main")
        git(repo.path, "remote", "add", "origin", str(repo.remote))
        if files is not None:
            repo.commit(files, "first")
            repo.push()
        return repo

    @property
    def url(self) -> str:
        """The remote as a file:// URL."""
        return self.remote.as_uri()

    def git(self, *arguments: str) -> str:
        """Run git in the work clone."""
        return git(self.path, *arguments)

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write each file, folders made as needed; None removes it."""
        for name, content in files.items():
            target = self.path / name
            if content is None:
                target.unlink()
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes | None] | None = None, message: str = "change") -> str:
        """Commit ``files`` and whatever else changed (or nothing at all); returns the commit's id."""
        self.write(files or {})
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", f"--message={message}")
        return self.head()

    def push(self, *arguments: str, branch: str = "main") -> str:
        """Push HEAD to ``branch`` of the remote; returns the commit's id."""
        self.git("push", "--quiet", *arguments, "origin", f"HEAD:refs/heads/{branch}")
        return self.head()

    def deploy(self, files: Mapping[str, str | bytes | None], message: str = "change") -> str:
        """What a user does: edit, commit, push; returns the commit's id."""
        self.commit(files, message)
        return self.push()

    def revert(self, commit: str = "HEAD") -> str:
        """Revert ``commit`` with a commit of its own and push that; returns its id."""
        self.git("revert", "--no-edit", commit)
        return self.push()

    def head(self) -> str:
        """The id of the work clone's commit."""
        return self.git("rev-parse", "HEAD")

    def tree(self, path: str = "", commit: str = "HEAD") -> str:
        """The id of the tree or blob at ``path``."""
        return self.git("rev-parse", f"{commit}:{path}")
