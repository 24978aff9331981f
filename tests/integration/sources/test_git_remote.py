"""Remote repositories: a mirror over http with a password, and over ssh with a key; real servers on the loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.gitrepo import GitRepo, git
from tests.support.gitservers import HttpGit, SshGit, find_sshd, http_git, ssh_git
from tests.support.waiting import eventually
from trimtab.errors import DeadlineExceeded, GitUnavailable
from trimtab.sources.credentials import Credential
from trimtab.sources.errors import HistoryRewritten, MalformedObject, QuotaExceeded, RefMissing
from trimtab.sources.limits import GitLimits
from trimtab.sources.mirror import Mirror
from trimtab.sources.source import GitSource

CANARY = "canary-7f3a9"

# Servers, pushes and fetches: half a minute all together on two busy cores.
pytestmark = pytest.mark.slow


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    (tmp_path / "served").mkdir()
    return GitRepo.create(tmp_path / "served", {"compose.yaml": "services: {}\n"})


@pytest.fixture
def site(repo: GitRepo) -> Iterator[HttpGit]:
    git(repo.remote, "config", "http.receivepack", "true")
    with http_git(repo.remote.parent) as site:
        yield site


@pytest.fixture
def source(site: HttpGit, tmp_path: Path) -> Iterator[GitSource]:
    source = GitSource(f"{site.url}/repo.git", target="main", data_dir=tmp_path / "data")
    yield source
    source.close()


def mirror_of(source: GitSource) -> Mirror:
    assert isinstance(source._repository, Mirror)
    return source._repository


def test_a_remote_is_polled_cheaply_and_fetched_only_when_it_moved(
    repo: GitRepo, site: HttpGit, source: GitSource
) -> None:
    assert source.watch(lambda: None) is None
    assert not source.local
    assert source.poll() == repo.head()
    # One look: the server's capabilities, and the names in question.
    assert len(site.requests) == 2
    assert source.snapshot(source.poll()).tree.read("compose.yaml") == b"services: {}\n"
    site.requests.clear()
    source.snapshot(source.poll())
    assert len(site.requests) == 2
    head = repo.deploy({"x": "2"})
    assert source.poll() == head
    assert source.snapshot(head).tree.read("x") == b"2"
    assert source.snapshot(head[:8]).revision == head


def test_every_kind_of_target_over_the_wire(repo: GitRepo, site: HttpGit, tmp_path: Path) -> None:
    ids = {}
    for version in ("v1.0.0", "v1.2.0", "v2.0.0"):
        ids[version] = repo.deploy({"version": version})
        repo.git("tag", *(("-a", "-m", "x") if version == "v1.2.0" else ()), version)
    repo.git("push", "-q", "--tags", "origin")
    hidden = repo.commit({"x": "not on any branch"})
    repo.git("push", "-q", "origin", f"{hidden}:refs/pull/7/head")
    git(repo.remote, "config", "uploadpack.allowAnySHA1InWant", "true")
    expected = {
        "": ("main", ids["v2.0.0"]),
        "main": ("main", ids["v2.0.0"]),
        "v1.2.0": ("v1.2.0", ids["v1.2.0"]),
        "1.x": ("v1.2.0", ids["v1.2.0"]),
        ids["v1.0.0"]: (ids["v1.0.0"][:7], ids["v1.0.0"]),
        ids["v1.0.0"][:9]: (ids["v1.0.0"][:7], ids["v1.0.0"]),
        "refs/pull/7/head": ("refs/pull/7/head", hidden),
        hidden: (hidden[:7], hidden),
    }
    reading = GitSource(f"{site.url}/repo.git", data_dir=tmp_path / "data-steps")
    assert reading.snapshot("main~1").revision == ids["v1.2.0"]
    assert reading.snapshot("v2.0.0^^").revision == ids["v1.0.0"]
    with pytest.raises(RefMissing, match="does not go back that far"):
        reading.snapshot("main~9")
    reading.close()
    for target, (ref, revision) in expected.items():
        source = GitSource(
            f"{site.url}/repo.git", target=target, data_dir=tmp_path / f"data-{target.replace('/', '-')}"
        )
        assert source.poll() == revision
        snapshot = source.snapshot()
        assert (snapshot.ref, snapshot.revision) == (ref, revision)
        source.close()
    source = GitSource(f"{site.url}/repo.git", target="d" * 40, data_dir=tmp_path / "data")
    with pytest.raises(RefMissing):
        source.snapshot()
    source.close()


@pytest.mark.parametrize("way", ["credential", "url", "bearer"])
def test_a_password_reaches_the_server_and_nothing_else(  # noqa: PLR0915 - one story
    repo: GitRepo, site: HttpGit, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.user, site.password = "ada", CANARY
    monkeypatch.setenv("TRIMTAB_GIT_TOKEN", CANARY)
    url, credential = f"{site.url}/repo.git", None
    if way == "url":
        url = url.replace("//", f"//ada:{CANARY}@")
    elif way == "bearer":
        credential = Credential(bearer_token=CANARY)
    else:
        credential = Credential(username="ada", password=CANARY)
    source = GitSource(url, target="main", data_dir=tmp_path / "data", credential=credential)
    assert CANARY not in source.url
    seen: dict[int, str] = {}
    finished, looking = threading.Event(), threading.Event()
    looking.set()

    def spy() -> None:
        """Look at the arguments and the environment of every child, all the time."""
        while not finished.is_set():
            looking.wait()
            for pid in _descendants():
                for name in ("cmdline", "environ"):
                    try:
                        text = Path(f"/proc/{pid}/{name}").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    except OSError:
                        continue
                    # Between fork and exec a child is a picture of ourselves; `env -i` is what ends that.
                    if name == "cmdline" or (seen.get(pid, "").startswith("git ")):
                        seen[pid] = f"{seen.get(pid, '')}{text}" if name == "environ" else text

    watcher = threading.Thread(target=spy)
    watcher.start()
    try:
        assert source.snapshot(source.poll()).tree.read("compose.yaml") == b"services: {}\n"
        # The test's own git commands do inherit the variable.
        looking.clear()
        time.sleep(0.1)
        repo.deploy({"x": "1"})
        looking.set()
        source.snapshot()
        standing = [Path(f"/proc/{pid}/environ").read_bytes() for pid in _descendants()]
    finally:
        finished.set()
        looking.set()
        watcher.join()
    assert any("ls-remote" in text or "fetch" in text for text in seen.values()), seen
    assert standing
    assert not [text for text in seen.values() if CANARY in text]
    assert not [text for text in standing if CANARY.encode() in text]
    mirror = mirror_of(source)
    for file in mirror.path.rglob("*"):
        assert not file.is_file() or CANARY.encode() not in file.read_bytes()
    run = mirror.path.parent / "run"
    assert list(run.glob("run-*"))
    source.close()
    assert not list(run.glob("run-*"))


def _descendants(of: int = 0) -> list[int]:
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, pending = [], [of or os.getpid()]
    while pending:
        here = pending.pop()
        children = [pid for pid, parent in parents.items() if parent == here]
        found += children
        pending += children
    return found


def test_a_proxy_with_a_password_is_in_no_argument(
    site: HttpGit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://ada:{CANARY}@127.0.0.1:{site.port}")
    site.stalled.set()
    source = GitSource("http://git.example.com/repo.git", data_dir=tmp_path / "data", allow_plain_http=True)
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(source.poll)
        while not site.requests:
            assert CANARY.encode() not in b"".join(_cmdline(pid) for pid in _descendants())
        assert CANARY.encode() not in b"".join(_cmdline(pid) for pid in _descendants())
        source.close()
        with pytest.raises(GitUnavailable):
            polling.result(timeout=20)
    # It did go by the proxy: an absolute address was asked for.
    assert site.requests[0][0].startswith("http://git.example.com/")


def test_a_fetch_that_outlives_a_killed_controller_keeps_its_lock(site: HttpGit, tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from trimtab.sources.source import GitSource\n"
        "GitSource(sys.argv[1], target='main', data_dir=pathlib.Path(sys.argv[2]))._repository.fetch()\n"
    )
    site.stalled.set()
    url = f"{site.url}/repo.git"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    controller = subprocess.Popen([sys.executable, "-c", program, url, str(tmp_path / "data")], env=environment)
    eventually(lambda: site.requests, what="the fetch has begun", every_s=0.02)
    orphans = _descendants(controller.pid)
    controller.kill()
    controller.wait()
    mirror = mirror_of(GitSource(url, target="main", data_dir=tmp_path / "data"))
    try:
        assert any(b"fetch" in _cmdline(pid) for pid in orphans)
        with pytest.raises(DeadlineExceeded, match="in use"), mirror.exclusive(0.5):
            pass
    finally:
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with mirror.exclusive(20):
        pass


def test_a_wrong_password_is_said_and_not_shown(site: HttpGit, tmp_path: Path) -> None:
    site.user, site.password = "ada", "right"
    for credential in (Credential(username="ada", password=CANARY), Credential(bearer_token=CANARY), Credential()):
        source = GitSource(f"{site.url}/repo.git", data_dir=tmp_path / "data", credential=credential)
        with pytest.raises(GitUnavailable, match="credential") as caught:
            source.poll()
        assert CANARY not in str(caught.value)
        source.close()


def test_a_redirect_is_refused_so_that_the_credential_stays_here(site: HttpGit, tmp_path: Path) -> None:
    site.user, site.password = "ada", CANARY
    with http_git(site.root) as elsewhere:
        site.redirect_to = elsewhere.url
        credential = Credential(username="ada", password=CANARY, bearer_token=CANARY)
        source = GitSource(f"{site.url}/repo.git", data_dir=tmp_path / "data", credential=credential)
        with pytest.raises(GitUnavailable):
            source.poll()
        assert elsewhere.requests == []
        source.close()


def test_a_remote_that_is_gone_for_a_while_holds_what_was_read(repo: GitRepo, tmp_path: Path) -> None:
    with http_git(repo.remote.parent) as site:
        source = GitSource(f"{site.url}/repo.git", target="main", data_dir=tmp_path / "data")
        held = source.snapshot()
    with pytest.raises(GitUnavailable, match="connection failed"):
        source.poll()
    with pytest.raises(GitUnavailable):
        source.snapshot()
    assert source.snapshot(held.revision).tree.read("compose.yaml") == b"services: {}\n"
    restarted = GitSource(f"{site.url}/repo.git", target="main", data_dir=tmp_path / "data")
    last = restarted.last_followed()
    assert last is not None
    assert (last.revision, last.tree.read("compose.yaml")) == (held.revision, b"services: {}\n")
    assert GitSource(f"{site.url}/other.git", target="main", data_dir=tmp_path / "data").last_followed() is None
    head = repo.deploy({"x": "1"})
    with http_git(repo.remote.parent, port=site.port):
        assert source.poll() == head
        assert source.snapshot().tree.read("x") == b"1"
    source.close()


def test_a_remote_that_does_not_answer_has_a_deadline(site: HttpGit, tmp_path: Path) -> None:
    site.stalled.set()
    limits = GitLimits(poll_timeout_s=1.0)
    source = GitSource(f"{site.url}/repo.git", data_dir=tmp_path / "data", limits=limits)
    started = time.monotonic()
    with pytest.raises(GitUnavailable, match="longer than 1 s"):
        source.poll()
    assert time.monotonic() - started < 20
    assert not [pid for pid in _descendants() if b"ls-remote" in _cmdline(pid)]
    source.close()


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_closing_ends_what_still_runs(site: HttpGit, tmp_path: Path) -> None:
    site.stalled.set()
    source = GitSource(f"{site.url}/repo.git", data_dir=tmp_path / "data")
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(source.poll)
        while not site.requests:
            time.sleep(0.01)
        source.close()
        with pytest.raises(GitUnavailable):
            polling.result(timeout=20)


def test_force_push_and_deletion_over_the_wire(repo: GitRepo, source: GitSource, tmp_path: Path) -> None:
    first = source.snapshot().revision
    old = repo.deploy({"x": "1"})
    assert source.snapshot().revision == old
    repo.git("reset", "-q", "--hard", first)
    new = repo.commit({"x": "2"})
    repo.push("--force")
    with pytest.raises(HistoryRewritten):
        source.snapshot()
    # The old commit is on no branch any more, and is kept all the same.
    for place in (mirror_of(source).path, repo.remote):
        git(place, "--git-dir=.", "gc", "--quiet", "--prune=now")
    source.store.restart()
    assert source.snapshot(old).tree.read("x") == b"1"
    source.accept(new)
    repo.git("checkout", "-q", "-b", "other")
    repo.push(branch="other")
    git(repo.remote, "symbolic-ref", "HEAD", "refs/heads/other")
    repo.git("push", "-q", "origin", ":main")
    with pytest.raises(RefMissing, match=new[:7]):
        source.snapshot()
    assert source.snapshot(new).revision == new


def test_a_damaged_mirror_is_made_anew(repo: GitRepo, source: GitSource) -> None:
    source.snapshot()
    mirror = mirror_of(source)
    for damage in (_cut_objects, _lose_head, _empty_everything):
        damage(mirror.path)
        head = repo.deploy({"x": damage.__name__})
        for _ in range(3):
            try:
                snapshot = source.snapshot()
                content = snapshot.tree.read("x"), snapshot.tree.read("compose.yaml")
                break
            except GitUnavailable:
                continue
        else:
            pytest.fail(f"{damage.__name__} was not repaired")
        assert snapshot.revision == head
        assert content == (damage.__name__.encode(), b"services: {}\n")
    assert [p.name for p in mirror.path.parent.iterdir() if p.suffix in (".old", ".new")] == []


def _cut_objects(path: Path) -> None:
    for file in (path / "objects").rglob("*"):
        if file.is_file():
            file.chmod(0o644)
            os.truncate(file, 7)


def _lose_head(path: Path) -> None:
    (path / "HEAD").write_text("")


def _empty_everything(path: Path) -> None:
    for file in path.rglob("*"):
        if file.is_file():
            file.unlink()


def test_what_a_killed_fetch_left_is_swept(repo: GitRepo, site: HttpGit, source: GitSource, tmp_path: Path) -> None:
    source.snapshot()
    path = mirror_of(source).path
    leftovers = [
        "objects/pack/tmp_pack_Ab12",
        "packed-refs.lock",
        "refs/heads/main.lock",
        "objects/12/tmp_obj_x",
        "config.lock",
    ]
    for name in leftovers:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text("left")
    head = repo.deploy({"x": "1"})
    again = GitSource(f"{site.url}/repo.git", target="main", data_dir=tmp_path / "data")
    assert again.snapshot().revision == head
    assert not [name for name in leftovers if (path / name).exists()]
    again.close()


def test_a_repository_that_is_too_large_is_refused_and_leaves_nothing(
    repo: GitRepo, site: HttpGit, tmp_path: Path
) -> None:
    repo.deploy({"big": os.urandom(3_000_000)})
    limits = GitLimits(mirror_bytes=1_000_000)
    source = GitSource(f"{site.url}/repo.git", data_dir=tmp_path / "data", limits=limits)
    with pytest.raises(QuotaExceeded, match="mirror"):
        source.snapshot()
    assert not list(mirror_of(source).path.glob("objects/pack/tmp_*"))
    source.close()


def test_two_sources_of_one_repository_share_a_mirror(repo: GitRepo, site: HttpGit, tmp_path: Path) -> None:
    repo.deploy({"x": "1"})
    repo.push(branch="dev")
    sources = [GitSource(f"{site.url}/repo.git", target=t, data_dir=tmp_path / "data") for t in ("main", "dev", "HEAD")]
    with ThreadPoolExecutor(3) as pool:
        revisions = list(pool.map(lambda source: source.snapshot().revision, sources))
    assert set(revisions) == {repo.head()}
    assert len(list((tmp_path / "data/git").glob("*.git"))) == 1
    for source in sources:
        source.close()


def test_hooks_filters_and_settings_of_a_repository_run_nothing(
    repo: GitRepo, source: GitSource, tmp_path: Path
) -> None:
    """A hostile repository: nothing in it, or in a local one's configuration, is ever executed by reading it."""
    trap = tmp_path / "trap"
    script = f"#!/bin/sh\necho $0 >> {trap}\ncat\n"
    program = tmp_path / "program"
    program.write_text(script)
    program.chmod(0o755)
    repo.deploy({".gitattributes": "* filter=evil diff=evil merge=evil\n", ".gitmodules": "", "x": "1"})
    source.snapshot()
    path = mirror_of(source).path
    for place in (path, repo.path / ".git"):
        for hook in (
            "post-checkout",
            "reference-transaction",
            "pre-auto-gc",
            "post-merge",
            "pre-push",
            "fsmonitor-watchman",
        ):
            (place / "hooks").mkdir(exist_ok=True)
            (place / "hooks" / hook).write_text(script)
            (place / "hooks" / hook).chmod(0o755)
        for setting in (
            "core.fsmonitor", "core.sshCommand", "core.pager", "core.askPass", "core.gitProxy",
            "core.alternateRefsCommand",
            "filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "diff.evil.textconv", "merge.evil.driver",
            "credential.helper", "gpg.program", "uploadpack.packObjectsHook", "pager.log",
        ):  # fmt: skip
            git(place, "--git-dir=.", "config", setting, str(program))
        git(place, "--git-dir=.", "config", "log.showSignature", "true")
        git(place, "--git-dir=.", "config", "protocol.ext.allow", "always")
        git(place, "--git-dir=.", "config", "extensions.partialClone", "evil")
        git(place, "--git-dir=.", "config", "remote.evil.url", f"ext::{program}")
        git(place, "--git-dir=.", "config", "remote.evil.promisor", "true")
    person = "Ada <ada@example.org> 1700000000 +0000"
    signature = "-----BEGIN PGP SIGNATURE-----\n x\n -----END PGP SIGNATURE-----"
    (tmp_path / "signed").write_text(
        f"tree {repo.tree()}\nparent {repo.head()}\nauthor {person}\ncommitter {person}\ngpgsig {signature}\n\nsigned\n"
    )
    for place in (repo.remote, repo.path):
        tip = git(place, "hash-object", "-t", "commit", "-w", str(tmp_path / "signed"))
        git(place, "update-ref", "refs/heads/main", tip)
    trap.unlink(missing_ok=True)
    local = GitSource(str(repo.path), target="main", data_dir=tmp_path / "data")
    for reader in (source, local):
        snapshot = reader.snapshot()
        assert snapshot.tree.read("x") == b"1"
        reader.log(snapshot.revision, 5)
        assert reader.store.info("e" * 40) is None
        with pytest.raises((RefMissing, GitUnavailable)):
            reader.snapshot("e" * 40)
    local.close()
    assert not trap.exists(), trap.read_text()


def test_a_tree_that_leads_out_of_itself_is_refused(repo: GitRepo, source: GitSource, tmp_path: Path) -> None:
    source.snapshot()
    blob = repo.tree("compose.yaml")
    raw = b"100644 ..\0" + bytes.fromhex(blob)
    made = subprocess.run(
        ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
        cwd=repo.remote, input=raw, capture_output=True, check=True,
    )  # fmt: skip
    tip = git(repo.remote, "commit-tree", made.stdout.decode().strip(), "-p", "main", "-m", "x")
    git(repo.remote, "update-ref", "refs/heads/main", tip)
    with pytest.raises(MalformedObject):
        source.snapshot()
    local = GitSource(str(repo.remote), target="main")
    with pytest.raises(MalformedObject):
        local.snapshot().tree.children("")
    local.close()


def test_a_sha256_repository_is_mirrored(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    git(tmp_path / "served", "init", "-q", "--bare", "--object-format=sha256", "-b", "main", "repo.git")
    git(tmp_path, "init", "-q", "--object-format=sha256", "-b", "main", "work")
    (tmp_path / "work/x").write_text("1")
    git(tmp_path / "work", "add", "x")
    git(tmp_path / "work", "commit", "-q", "-m", "x")
    git(tmp_path / "work", "push", "-q", str(tmp_path / "served/repo.git"), "main")
    with http_git(tmp_path / "served") as site:
        source = GitSource(f"{site.url}/repo.git", data_dir=tmp_path / "data")
        assert len(source.poll()) == 64
        assert source.snapshot().tree.read("x") == b"1"


def test_a_source_that_is_closed_refuses_to_read(source: GitSource) -> None:
    tree = source.snapshot().tree
    source.close()
    with pytest.raises(GitUnavailable, match="closed"):
        tree.read("compose.yaml")


# -- ssh -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[SshGit]:
    sshd = find_sshd()
    if not sshd:
        if os.environ.get("REQUIRE_DOCKER") == "1" and os.geteuid() == 0:
            pytest.fail("no sshd; scripts/test installs openssh-server", pytrace=False)
        pytest.skip("no sshd: install openssh-server")
    with ssh_git(tmp_path / "ssh", sshd) as server:
        yield server


def test_ssh_with_a_key_and_a_known_host(repo: GitRepo, ssh: SshGit, tmp_path: Path) -> None:
    credential = Credential(ssh_key_file=ssh.key, known_hosts_file=ssh.known_hosts)
    source = GitSource(ssh.url(repo.remote), target="main", data_dir=tmp_path / "data", credential=credential)
    assert source.poll() == repo.head()
    assert source.snapshot().tree.read("compose.yaml") == b"services: {}\n"
    source.close()


def test_ssh_refuses_an_unknown_host_and_a_strange_key(repo: GitRepo, ssh: SshGit, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    cases = [
        (Credential(ssh_key_file=ssh.key, known_hosts_file=empty), "host key"),
        (Credential(ssh_key_file=ssh.key.parent / "host", known_hosts_file=ssh.known_hosts), "credential"),
    ]
    for credential, words in cases:
        source = GitSource(ssh.url(repo.remote), data_dir=tmp_path / "data", credential=credential)
        with pytest.raises(GitUnavailable, match=words):
            source.poll()
        source.close()


def test_ssh_remembers_a_host_that_nobody_vouched_for(repo: GitRepo, ssh: SshGit, tmp_path: Path) -> None:
    source = GitSource(ssh.url(repo.remote), data_dir=tmp_path / "data", credential=Credential(ssh_key_file=ssh.key))
    assert source.poll() == repo.head()
    remembered = tmp_path / "data/git/run/known_hosts"
    assert str(ssh.port) in remembered.read_text()
    source.close()
    # Another key under the same name: somebody is in between.
    other = (ssh.key.parent / "user.pub").read_text()
    remembered.write_text(f"[127.0.0.1]:{ssh.port} {other}")
    source = GitSource(ssh.url(repo.remote), data_dir=tmp_path / "data", credential=Credential(ssh_key_file=ssh.key))
    with pytest.raises(GitUnavailable, match="host key"):
        source.poll()
    source.close()


def test_a_commit_that_is_kept_outlives_its_branch_and_a_collection(
    repo: GitRepo, source: GitSource, tmp_path: Path
) -> None:
    """What an application may have to go back to is here, whatever was force-pushed and collected, and Git gone."""
    good = source.snapshot().revision
    source.keep("healthy/default/shop", good)
    source.keep("healthy/default/blog", good)
    git(repo.path, "commit", "--quiet", "--amend", "--message", "another history")
    repo.push("--force")
    git(repo.remote, "reflog", "expire", "--expire=now", "--all")
    git(repo.remote, "gc", "--quiet", "--prune=now")
    source.accept(source.poll())
    mirror = mirror_of(source).path
    git(mirror, "gc", "--quiet", "--prune=now")
    source.store.restart()
    assert source.snapshot(good).tree.read("compose.yaml") == b"services: {}\n"
    # The next one takes its place; then nothing holds the first any more.
    source.keep("healthy/default/shop", source.poll())
    assert good in git(mirror, "for-each-ref"), "another one still needs it"
    source.keep("healthy/default/blog", "")
    git(mirror, "gc", "--quiet", "--prune=now")
    source.store.restart()
    with pytest.raises(RefMissing):
        source.snapshot(good)
    source.keep("healthy/default/shop", "")
    assert "refs/trimtab/held/" not in git(mirror, "for-each-ref")
    source.keep("healthy/default/shop", "no commit at all")
