"""A repository of this machine, read where it is, with real Git."""

from __future__ import annotations

import io
import os
import signal
import statistics
import subprocess
import tarfile
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.gitrepo import GitRepo, git
from trimtab.errors import Conflict
from trimtab.model.snapshot import EntryKind, FileTooLarge
from trimtab.sources.archive import iter_tar
from trimtab.sources.directory import DirectoryTree
from trimtab.sources.errors import HistoryRewritten, InvalidUrl, QuotaExceeded, RefMissing
from trimtab.sources.limits import GitLimits
from trimtab.sources.source import GitSource

FILES = {"compose.yaml": "services: {}\n", "web/Dockerfile": "FROM x\n", "web/a-b": "1", "web/a/b": "2", "web/a.c": "3"}


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    return GitRepo.create(tmp_path, FILES)


@pytest.fixture
def source(repo: GitRepo, tmp_path: Path) -> Iterator[GitSource]:
    source = GitSource(str(repo.remote), target="main", data_dir=tmp_path / "data")
    yield source
    source.close()


def test_a_commit_is_read_whole(repo: GitRepo, source: GitSource) -> None:
    (repo.path / "run.sh").write_text("#!/bin/sh\n")
    (repo.path / "run.sh").chmod(0o755)
    (repo.path / "out").symlink_to("/etc/passwd")
    (repo.path / "dir").symlink_to("web")
    head = repo.deploy({}, "bigger banner\n\nand why")
    snapshot = source.snapshot()
    assert (snapshot.revision, snapshot.ref, snapshot.subject, snapshot.author) == (
        head,
        "main",
        "bigger banner",
        "Ada",
    )
    assert snapshot.committed_at is not None
    assert snapshot.committed_at.tzinfo is not None
    tree = snapshot.tree
    walked = [entry.path for entry in tree.walk("")]
    assert walked == sorted(walked)
    assert walked == [
        "compose.yaml", "dir", "out", "run.sh", "web/Dockerfile", "web/a-b", "web/a.c", "web/a/b",
    ]  # fmt: skip
    assert tree.read("web/a/b") == b"2"
    assert tree.read("out") == b"/etc/passwd"
    kinds = {entry.path: entry.kind for entry in tree.children("")}
    assert kinds["run.sh"] is EntryKind.EXECUTABLE
    assert kinds["out"] is EntryKind.SYMLINK
    assert kinds["web"] is EntryKind.DIRECTORY
    entry = tree.entry("web")
    assert entry is not None
    assert entry.oid == repo.tree("web")
    # A link is never followed, so there is nothing behind it.
    assert tree.entry("dir/Dockerfile") is None
    assert tree.children("dir") == ()
    for missing in ("nowhere", "web/nowhere", "compose.yaml/x", "web/../compose.yaml"):
        assert tree.entry(missing) is None
    for unreadable in ("nowhere", "web", ""):
        with pytest.raises(FileNotFoundError):
            tree.read(unreadable)


def test_what_is_not_committed_is_neither_read_nor_touched(repo: GitRepo, tmp_path: Path) -> None:
    (repo.path / "compose.yaml").write_text("services: {edited: {}}\n")
    (repo.path / "notes").write_text("mine")
    repo.git("add", "notes")

    def state() -> str:
        files = {f.name: (f.read_bytes(), f.stat().st_mtime_ns) for f in repo.path.iterdir() if f.is_file()}
        return f"{files} {(repo.path / '.git' / 'index').read_bytes()!r}"

    before = state()
    source = GitSource(str(repo.path), target="main", data_dir=tmp_path / "of its own")
    try:
        tree = source.snapshot().tree
        assert tree.read("compose.yaml") == FILES["compose.yaml"].encode()
        assert tree.entry("notes") is None
    finally:
        source.close()
    assert state() == before


def test_a_directory_has_the_ids_and_order_that_git_gives(repo: GitRepo, source: GitSource) -> None:
    (repo.path / "run.sh").write_text("#!/bin/sh\n")
    (repo.path / "run.sh").chmod(0o755)
    (repo.path / "link").symlink_to("./web")
    (repo.path / "naïve\udcff").write_bytes(b"\0\xff")
    (repo.path / "empty").mkdir()
    os.mkfifo(repo.path / "web/fifo")
    repo.deploy({"zoë/x": "1", "web.txt": "2", "web0": "3"})
    committed, plain = source.snapshot().tree, DirectoryTree(repo.path)
    assert list(plain.walk("")) == list(committed.walk(""))
    assert plain.entry("") == committed.entry("")
    assert plain.children("web") == committed.children("web")
    for entry in committed.walk(""):
        assert plain.read(entry.path) == committed.read(entry.path)
    assert plain.entry("empty") is None
    assert plain.entry(".git") is None


def test_a_submodule_is_reported_and_not_entered(repo: GitRepo, source: GitSource) -> None:
    inner = git(repo.path, "init", "-q", "inner") or repo.path / "inner"
    git(inner, "commit", "-q", "--allow-empty", "-m", "x")
    repo.deploy({})
    for tree in (source.snapshot().tree, DirectoryTree(repo.path)):
        entry = tree.entry("inner")
        assert entry is not None
        assert (entry.kind, entry.oid) == (EntryKind.SUBMODULE, git(inner, "rev-parse", "HEAD"))
        assert tree.children("inner") == ()
        assert list(tree.walk("inner")) == []
        with pytest.raises(FileNotFoundError):
            tree.read("inner")


def test_a_context_with_links_and_a_submodule_streams_as_git_archive_would(repo: GitRepo, source: GitSource) -> None:
    inner = repo.path / "web/inner"
    inner.mkdir()
    git(inner, "init", "-q")
    git(inner, "commit", "-q", "--allow-empty", "-m", "x")
    (repo.path / "web/out").symlink_to("/etc/passwd")
    repo.deploy({"web/run.sh": "#!/bin/sh\n"})
    theirs = subprocess.run(["git", "archive", "HEAD:web"], cwd=repo.path, capture_output=True, check=True).stdout

    def members(stream: bytes) -> dict[str, tuple[bytes, bool, str, int]]:
        with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
            return {m.name: (m.type, bool(m.mode & 0o100), m.linkname, m.size) for m in tar.getmembers()}

    for tree in (source.snapshot().tree, DirectoryTree(repo.path)):
        assert members(b"".join(iter_tar(tree, "web"))) == members(theirs)


def test_a_file_changed_after_the_look_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    tree = DirectoryTree(tmp_path)
    assert tree.read("f") == b"1"
    (tmp_path / "f").write_text("2")
    with pytest.raises(Conflict):
        tree.read("f")
    (tmp_path / "f").unlink()
    (tmp_path / "f").symlink_to("/etc/passwd")
    with pytest.raises(Conflict):
        tree.read("f")


@pytest.mark.parametrize("form", ["bare", "file-url", "work-tree", "linked", "dot-git"])
def test_every_form_of_a_local_repository_is_read_and_watched(repo: GitRepo, tmp_path: Path, form: str) -> None:
    repo.git("branch", "other")
    repo.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    place, work, branch = {
        "bare": (str(repo.remote), repo.path, "main"),
        "file-url": (repo.url, repo.path, "main"),
        "work-tree": (str(repo.path), repo.path, ""),
        "linked": (str(tmp_path / "linked"), tmp_path / "linked", ""),
        "dot-git": (str(repo.path / ".git"), repo.path, "HEAD"),
    }[form]
    source = GitSource(place, target=branch, data_dir=tmp_path / "data")
    called = threading.Event()
    stop = source.watch(called.set)
    assert stop is not None
    assert source.local
    assert source.poll() == git(work, "rev-parse", "HEAD")
    (work / "new").write_text(form)
    git(work, "add", "new")
    git(work, "commit", "-q", "-m", form)
    if branch == "main":
        repo.push()
    assert called.wait(5)
    assert source.snapshot().revision == git(work, "rev-parse", "HEAD")
    assert source.snapshot().tree.read("new") == form.encode()
    stop()
    stop()
    source.close()


def test_head_follows_a_checkout_of_another_branch(repo: GitRepo, tmp_path: Path) -> None:
    repo.git("branch", "other")
    source = GitSource(str(repo.path), data_dir=tmp_path / "data")
    first = source.poll()
    called = threading.Event()
    stop = source.watch(called.set)
    assert stop is not None
    repo.commit({"x": "1"})
    assert called.wait(5)
    called.clear()
    repo.git("checkout", "-q", "other")
    assert called.wait(5)
    assert source.poll() == first
    stop()
    source.close()


def test_refs_are_found_packed_and_loose_and_after_gc(repo: GitRepo, source: GitSource) -> None:
    first = source.poll()
    git(repo.remote, "pack-refs", "--all")
    assert source.poll() == first
    second = repo.deploy({"x": "2"})
    assert source.poll() == second
    git(repo.remote, "gc", "--quiet", "--prune=now")
    third = repo.deploy({"x": "3"})
    assert source.poll() == third
    assert source.snapshot().tree.read("x") == b"3"
    assert source.snapshot(first).tree.read("compose.yaml") == b"services: {}\n"


def test_branch_tag_range_and_commit(repo: GitRepo, tmp_path: Path) -> None:
    ids = {}
    for version in ("v1.0.0", "v1.2.0", "v1.10.0", "v2.0.0"):
        ids[version] = repo.deploy({"version": version})
        repo.git("tag", *(("-a", "-m", "x") if version == "v1.2.0" else ()), version)
    repo.git("push", "-q", "--tags", "origin")

    def at(target: str) -> tuple[str, str]:
        source = GitSource(str(repo.remote), target=target, data_dir=tmp_path / "data")
        try:
            polled, snapshot = source.poll(), source.snapshot()
        finally:
            source.close()
        assert polled == snapshot.revision
        return snapshot.ref, snapshot.revision

    assert at("v1.2.0") == ("v1.2.0", ids["v1.2.0"])
    assert at("refs/tags/v1.2.0") == ("v1.2.0", ids["v1.2.0"])
    assert at("1.x") == ("v1.10.0", ids["v1.10.0"])
    assert at("~1.2") == ("v1.2.0", ids["v1.2.0"])
    assert at(ids["v1.0.0"]) == (ids["v1.0.0"][:7], ids["v1.0.0"])
    assert at(ids["v1.0.0"][:9]) == (ids["v1.0.0"][:7], ids["v1.0.0"])
    for target in ("nowhere", ">=3", "deadbeef", "d" * 40):
        with pytest.raises(RefMissing):
            at(target)


def test_steps_back_lead_where_git_says(repo: GitRepo) -> None:
    first = repo.deploy({"x": "1"})
    repo.deploy({"x": "2"})
    repo.git("tag", "-a", "-m", "x", "v1")
    repo.git("checkout", "-q", "-b", "side", first)
    repo.commit({"y": "1"})
    repo.git("checkout", "-q", "main")
    repo.git("merge", "-q", "--no-edit", "side")
    repo.git("push", "-q", "origin", "main", "side", "v1")
    source = GitSource(str(repo.path))
    texts = ["HEAD~1", "main^2", "@^2~1", "v1~1", "v1^{}", "side", f"{first[:8]}", f"{repo.head()}~2", "main~0", "v1"]
    for text in (*texts, "origin/main", "origin/side~1"):
        assert source.snapshot(text).revision == repo.git("rev-parse", f"{text}^{{commit}}").strip(), text
    for text in ("main~50", "side^2", "nowhere~1"):
        with pytest.raises(RefMissing):
            source.snapshot(text)


def test_an_empty_repository_says_so_and_its_first_commit_is_found(tmp_path: Path) -> None:
    repo = GitRepo.create(tmp_path)
    source = GitSource(str(repo.remote), data_dir=tmp_path / "data")
    with pytest.raises(RefMissing, match="may be empty"):
        source.poll()
    head = repo.deploy({"x": "1"})
    assert source.poll() == head
    source.close()


def test_a_force_push_is_held_until_somebody_accepts_it(repo: GitRepo, source: GitSource, tmp_path: Path) -> None:
    first = source.snapshot().revision
    old = repo.deploy({"x": "1"})
    assert source.snapshot().revision == old
    repo.git("reset", "-q", "--hard", first)
    new = repo.commit({"x": "2"})
    repo.push("--force")
    assert source.poll() == new
    restarted = GitSource(str(repo.remote), target="main", data_dir=tmp_path / "data")
    for again in (source, restarted):
        for revision in (None, again.poll()):
            with pytest.raises(HistoryRewritten) as caught:
                again.snapshot(revision)
            assert (caught.value.old, caught.value.new) == (old, new)
    restarted.close()
    # What was followed can still be read, and held.
    assert source.snapshot(old).tree.read("x") == b"1"
    source.accept(new)
    assert source.snapshot().revision == new
    # A step back is a force-push, too.
    repo.git("reset", "-q", "--hard", first)
    repo.push("--force")
    with pytest.raises(HistoryRewritten):
        source.snapshot()
    willing = GitSource(str(repo.remote), target="main", data_dir=tmp_path / "data", follow_rewrites=True)
    assert willing.snapshot().revision == first
    willing.close()


def test_many_commits_and_merges_at_once_are_a_step_forward(repo: GitRepo, source: GitSource) -> None:
    source.snapshot()
    tree = repo.tree()
    tip = repo.head()
    for _ in range(80):
        tip = repo.git("commit-tree", tree, "-p", tip, "-m", "x")
    tip = repo.git("commit-tree", tree, "-p", repo.git("commit-tree", tree, "-m", "root"), "-p", tip, "-m", "merge")
    repo.git("push", "-q", "origin", f"{tip}:main")
    assert source.snapshot().revision == tip


def test_a_deleted_branch_is_reported_with_where_it_was(repo: GitRepo, source: GitSource) -> None:
    head = source.snapshot().revision
    git(repo.remote, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(RefMissing, match=f"'main'; it was at {head[:7]}"):
        source.poll()
    with pytest.raises(RefMissing):
        source.snapshot()
    assert source.snapshot(head).revision == head
    repo.push()
    assert source.snapshot().revision == head


def test_history_between_two_revisions(repo: GitRepo, source: GitSource) -> None:
    first = source.poll()
    second = repo.deploy({"x": "2"}, "second: ü")
    third = repo.deploy({"x": "3"}, "third")
    commits = source.history(first, third)
    assert [(c.revision, c.subject, c.author) for c in commits] == [
        (third, "third", "Ada"), (second, "second: ü", "Ada"),
    ]  # fmt: skip
    assert all(c.committed_at is not None for c in commits)
    assert [c.revision for c in source.log(third, 2)] == [third, second]
    assert [c.revision for c in source.log(third[:10], 10)] == [third, second, first]
    with pytest.raises(RefMissing):
        source.log("e" * 40, 1)


def test_work_per_commit_is_proportional_to_what_changed(repo: GitRepo, source: GitSource) -> None:
    repo.deploy({f"apps/{n:03}/compose.yaml": f"name: a{n}\n" for n in range(200)})
    list(source.snapshot().tree.walk(""))
    before = (source.store.counts.trees, source.store.counts.blobs, source.store.counts.starts)
    repo.deploy({"apps/117/compose.yaml": "name: other\n"})
    tree = source.snapshot().tree
    list(tree.walk(""))
    tree.read("apps/117/compose.yaml")
    # The root, apps and apps/117; one blob; no process.
    after = (source.store.counts.trees, source.store.counts.blobs, source.store.counts.starts)
    assert tuple(a - b for a, b in zip(after, before, strict=True)) == (3, 1, 0)


def test_a_killed_reader_is_replaced(source: GitSource) -> None:
    snapshot = source.snapshot()
    for pipe in (source.store._info, source.store._content):
        assert pipe is not None
        os.kill(pipe._process.pid, signal.SIGKILL)
        pipe._process.wait()
    assert source.poll() == snapshot.revision
    assert snapshot.tree.read("web/Dockerfile") == b"FROM x\n"


def test_several_threads_read_at_once(repo: GitRepo, source: GitSource) -> None:
    contents = {f"f{n}": f"{n}" * (n * 300) for n in range(60)}
    repo.deploy(contents)
    tree = source.snapshot().tree

    def read(name: str) -> bool:
        source.poll()
        return tree.read(name) == contents[name].encode()

    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(read, sorted(contents) * 3))


def test_quotas_on_files_and_on_their_number(repo: GitRepo, tmp_path: Path) -> None:
    repo.deploy({"big": b"x" * 5000, **{f"many/{n}": "x" for n in range(30)}})
    limits = GitLimits(blob_bytes=4000, tree_entries=20)
    source = GitSource(str(repo.remote), target="main", data_dir=tmp_path / "data", limits=limits)
    tree = source.snapshot().tree
    with pytest.raises(QuotaExceeded, match="5000 bytes"):
        tree.read("big")
    assert tree.read("compose.yaml") == b"services: {}\n"
    with pytest.raises(QuotaExceeded, match="more than 20"):
        list(tree.walk(""))
    source.close()


@pytest.mark.slow
def test_a_file_beyond_its_readers_limit_is_not_brought_into_memory(repo: GitRepo, source: GitSource) -> None:
    repo.deploy({"big.bin": b"\0" * (64 << 20), "small": "1234"})
    tree = source.snapshot().tree
    assert tree.read("small", 4) == b"1234"
    starts = source.store.counts.starts
    tracemalloc.start()
    with pytest.raises(FileTooLarge) as caught:
        tree.read("big.bin", 1024)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    assert caught.value.size_bytes == 64 << 20
    assert tree.read("small") == b"1234"
    assert source.store.counts.starts == starts, "the reading process goes on"
    with pytest.raises(FileTooLarge):
        DirectoryTree(repo.path).read("big.bin", 1024)


def test_a_tree_of_trees_without_end_is_not_walked_to_the_end(tmp_path: Path) -> None:
    repo = GitRepo.create(tmp_path, {"x": "1"})
    kind, oid = "blob", repo.tree("x")
    for _ in range(20):
        lines = "".join(f"{'100644' if kind == 'blob' else '040000'} {kind} {oid}\tn{i}\n" for i in range(10))
        made = subprocess.run(
            ["git", "mktree"], cwd=repo.remote, input=lines, capture_output=True, text=True, check=True
        )
        oid, kind = made.stdout.strip(), "tree"
    commit = git(repo.remote, "commit-tree", oid, "-m", "bomb")
    source = GitSource(str(repo.remote), limits=GitLimits(tree_entries=2000))
    with pytest.raises(QuotaExceeded):
        for _ in source.snapshot(commit).tree.walk(""):
            pass
    assert source.store.counts.trees <= 20
    source.close()


def test_no_repository_is_said_with_what_to_do(tmp_path: Path, repo: GitRepo) -> None:
    for place in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InvalidUrl):
            GitSource(str(place))
    with pytest.raises(InvalidUrl, match="--path"):
        GitSource(str(repo.path / "web"))


def test_sha256_repositories_are_read(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--object-format=sha256", "-b", "main", "w")
    work = tmp_path / "w"
    (work / "d").mkdir()
    (work / "d/x").write_text("1")
    git(work, "add", ".")
    git(work, "commit", "-q", "-m", "x")
    source = GitSource(str(work))
    assert len(source.poll()) == 64
    assert source.snapshot().tree.read("d/x") == b"1"
    source.close()


def test_a_ref_change_is_a_snapshot_within_milliseconds(repo: GitRepo, source: GitSource) -> None:
    source.snapshot()
    done: list[tuple[int, str]] = []
    arrived = threading.Event()

    def follow() -> None:
        revision = source.snapshot().revision
        done.append((time.time_ns(), revision))
        arrived.set()

    stop = source.watch(follow)
    assert stop is not None
    times, tip, tree = [], repo.head(), repo.tree()
    ref = repo.remote / "refs/heads/main"
    for _ in range(11):
        tip = git(repo.remote, "commit-tree", tree, "-p", tip, "-m", "x")
        arrived.clear()
        git(repo.remote, "update-ref", "refs/heads/main", tip)
        changed = ref.stat().st_mtime_ns
        while not done or done[-1][1] != tip:
            assert arrived.wait(5)
            arrived.clear()
        times.append((done[-1][0] - changed) / 1e6)
    stop()
    print(f"ref change to snapshot: median {statistics.median(times):.1f} ms, worst {max(times):.1f} ms")  # noqa: T201 - asked for with -s
    # The target is 30; the rest is for busy machines.
    assert statistics.median(times) < 300
