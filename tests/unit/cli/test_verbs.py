"""Verbs where no engine is needed: what they refuse, and what they find on this machine."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from tests.support.gitrepo import GitRepo
from trimtab.backends.engine.errors import unreachable
from trimtab.cli import checkup, checkup_engine, images
from trimtab.cli.checkup import State
from trimtab.cli.main import COMMANDS, SUMMARIES
from trimtab.cli.main import app as command
from trimtab.config import load_config, unknown_variables
from trimtab.errors import ConfigError
from trimtab.model.keys import AppKey

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def run(*arguments: str, data_dir: Path) -> Result:
    # Nobody listens there, so that no test depends on this machine's engine.
    variables = {"DOCKER_HOST": f"unix://{data_dir}/no.sock"}
    with warnings.catch_warnings():
        # docker-py forgets to close the socket that it could not connect: collected here, not in another's test.
        warnings.simplefilter("ignore", ResourceWarning)
        done = CliRunner().invoke(command, [*arguments, "--data-dir", str(data_dir)], env=variables)
        done.exc_info = None
        done.exception = None
        gc.collect()
    return done


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_every_verb_has_help_and_a_summary(verb: str) -> None:
    shown = CliRunner().invoke(command, [verb, "--help"])
    assert shown.exit_code == 0, shown.output
    assert SUMMARIES[verb]


@pytest.mark.parametrize("wrong", [["plan", "--bogus"], ["bogus"], ["--bogus"], ["history"], ["plan", "-o", "xml"]])
def test_a_wrong_use_is_an_error_and_never_reads_as_pending_changes(wrong: list[str]) -> None:
    assert CliRunner().invoke(command, wrong).exit_code == 1


def test_help_imports_none_of_the_heavy_parts() -> None:
    heavy = {"docker", "fastapi", "git", "prometheus_client", "pydantic", "uvicorn", "yaml"}
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom trimtab.cli.main import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\nprint(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    modules = set(done.stdout.split())
    assert not heavy & modules
    # It takes a sixth of a second for 150 of them, and a test's own client; time says more about the machine.
    assert len(modules) < 300


@pytest.mark.slow
def test_commands_import_nothing_that_only_the_controller_needs() -> None:
    controllers = {"fastapi", "starlette", "uvicorn", "prometheus_client", "structlog", "opentelemetry", "git"}
    code = (
        "import sys\nfrom trimtab.cli.main import COMMANDS\nimport trimtab.cli.session\n"
        "for verb in ('plan', 'apply', 'render', 'validate', 'status'):\n    __import__(COMMANDS[verb][0])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert not controllers & set(done.stdout.split())


@pytest.mark.slow
def test_what_a_commit_would_change_is_told_from_the_commit_before_it(tmp_path: Path) -> None:
    repo = GitRepo.create(tmp_path, {"deploy/compose.yaml": "services: {web: {image: 'busybox:1.36'}}\n"})
    repo.deploy({"deploy/compose.yaml": "services: {web: {image: 'busybox:1.37'}}\n"})
    (repo.path / "deploy/compose.yaml").write_text("services: {}\n", encoding="utf-8")
    for where in ([str(repo.path)], ["--repo", str(repo.remote)]):
        done = run("plan", *where, "--base", "HEAD~1", data_dir=tmp_path)
        assert done.exit_code == 0, done.output
        assert "busybox:1.36 -> busybox:1.37" in done.output
        assert "1 to replace" in done.output
    done = run("plan", str(repo.path), "--base", "main", "--rev", "main^", data_dir=tmp_path)
    assert "busybox:1.37 -> busybox:1.36" in done.output
    repo.deploy({"deploy/compose.yaml": "services: {web: {build: ./web}}\n", "deploy/web/Dockerfile": "FROM x\n"})
    repo.deploy({"deploy/web/page.html": "hello\n", "README.md": "unrelated\n"})
    done = run("plan", str(repo.path), "--base", "HEAD~1", data_dir=tmp_path)
    assert "* build    image      " in done.output
    assert "deploy/web: page.html changed" in done.output
    refused = run("plan", str(repo.path), "--base=--output=x", data_dir=tmp_path)
    assert refused.exit_code == 1
    assert "is not a target revision" in refused.output


@pytest.mark.parametrize("verb", ["logs", "delete"])
def test_without_an_engine_it_says_so(verb: str, tmp_path: Path) -> None:
    done = run(verb, "shop", data_dir=tmp_path)
    assert done.exit_code == 1
    assert "the engine does not answer" in done.stderr
    assert "doctor" in done.stderr


def test_rollback_needs_a_repository(tmp_path: Path) -> None:
    done = run("rollback", "shop", data_dir=tmp_path)
    assert done.exit_code == 1
    assert "no repository is watched" in done.stderr
    assert "--repo" in done.stderr


@pytest.mark.parametrize(("verb", "form"), [("logs", "markdown"), ("events", "markdown"), ("status", "xml")])
def test_a_form_that_makes_no_sense_is_refused(verb: str, form: str, tmp_path: Path) -> None:
    done = run(verb, "shop", "-o", form, data_dir=tmp_path)
    assert done.exit_code == 1
    assert form in done.stderr


def test_doctor_without_an_engine_tells_the_rest_and_what_to_do(tmp_path: Path) -> None:
    done = run("doctor", "-o", "json", data_dir=tmp_path)
    assert done.exit_code == 1
    answer = json.loads(done.stdout)
    assert answer["ok"] is False
    checks = {check["check"]: check for check in answer["checks"]}
    assert checks["git"]["state"] == "ok"
    assert checks["data directory"]["state"] == "ok"
    assert checks["engine"]["state"] == "broken"
    assert "start the engine" in checks["engine"]["hint"]
    text = run("doctor", data_dir=tmp_path)
    assert "FAIL  engine" in text.stdout
    assert "4 checks: 1 broken" in text.stdout


def test_a_data_directory_that_cannot_be_used(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert checkup.data_directory(blocked / "data").state is State.BROKEN
    assert checkup.data_directory(tmp_path / "new" / "deep").message.endswith(f"it will be made in {tmp_path}")
    key = tmp_path / "installation.key"
    key.write_text("")
    key.chmod(0o644)
    assert checkup.data_directory(tmp_path).hint == f"chmod 600 {key}"


def test_a_full_disk_is_broken_and_a_low_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk(free: int) -> State:
        usage = SimpleNamespace(total=1 << 40, free=free)
        monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _path: usage)
        return checkup.free_disk("disk", tmp_path).state

    assert [disk(free) for free in (1 << 20, 1 << 30, 1 << 39)] == [State.BROKEN, State.WARNING, State.OK]


def test_no_git_or_an_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "git"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkup.git().message == "git is not on the PATH"
    for version, state in (("1.8.3.1", State.BROKEN), ("2.34.1", State.WARNING), ("2.47.0.windows.1", State.OK)):
        fake.write_text(f"#!/bin/sh\necho git version {version}\n")
        fake.chmod(0o755)
        assert checkup.git().state is state


def test_the_engines_account_of_itself() -> None:
    info = {"CgroupVersion": "1", "CgroupDriver": "cgroupfs", "Warnings": ["WARNING: No swap limit support"]}
    limits = checkup_engine.limits(info)
    assert limits.state is State.WARNING
    assert "No swap limit support" in limits.message
    assert checkup_engine.limits({"Warnings": None}).state is State.OK
    late = datetime.now(UTC) - timedelta(minutes=5)
    assert checkup_engine.clock({"SystemTime": late.isoformat()}).state is State.WARNING
    exact = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
    assert checkup_engine.clock({"SystemTime": exact}).state is State.OK


def test_an_image_belongs_to_the_application_with_the_longer_name() -> None:
    apps = [AppKey("default", "shop"), AppKey("default", "shop-admin"), AppKey("team", "shop")]
    prefixes = images._prefixes(apps, "trimtab")
    assert images._owner("trimtab/default/shop-web:1", prefixes) == apps[0]
    assert images._owner("trimtab/default/shop-admin-web:1", prefixes) == apps[1]
    assert images._owner("trimtab/team/shop-web:1", prefixes) == apps[2]
    assert images._owner("trimtab/default/blog-web:1", prefixes) is None


def test_the_table_of_images_reads_without_a_terminal() -> None:
    image = images.BuiltImage(
        ref="trimtab/default/shop-web:0123", id="sha256:1", size_bytes=5 << 20, created_at=NOW - timedelta(hours=3),
        repository="file:///r", commit="f" * 40, path="shop/web", containers=("shop-web-1",),
        releases=tuple(f"shop#{n}" for n in range(1, 6)),
    )  # fmt: skip
    head, row = images.table([image], NOW)
    assert head.split() == ["IMAGE", "SIZE", "AGE", "COMMIT", "PATH", "USED", "BY"]
    assert row.split("  ")[1:] == [
        "5 MiB", "3 h", "fffffff", "shop/web", "shop-web-1, release shop#1, release shop#2, release shop#3 and 2 more",
    ]  # fmt: skip


def test_why_the_engine_does_not_answer_is_told_in_words(tmp_path: Path) -> None:
    done = run("logs", "shop", data_dir=tmp_path)
    assert "the engine does not answer (there is no such socket)" in done.stderr
    assert "Error(" not in done.stderr
    denied, refused = PermissionError(13, "Permission denied"), ConnectionRefusedError(111, "Connection refused")
    said = unreachable("ping the engine", OSError("Connection aborted.", denied))
    assert "(permission denied)" in said.message
    assert "group docker" in said.hint
    wrapped = ValueError("HTTPConnectionPool")
    wrapped.__cause__ = refused
    assert "(nothing listens there)" in unreachable("ping the engine", wrapped).message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pollIntervall: 3s\n", "did you mean 'pollInterval'?"),
        ("nonsense: 3\n", "known are: archiveDays, "),
        ("history: many\n", "'many' does not fit 'history' in "),
        ("listen: x\nrepositories: [\n", "trimtab.yaml:3:1: "),
    ],
)
def test_a_wrong_configuration_says_where_and_what(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "trimtab.yaml"
    file.write_text(text, encoding="utf-8")
    done = run("status", "--config", str(file), data_dir=tmp_path)
    assert done.exit_code == 1
    assert words in done.stderr


def test_a_wrong_variable_or_option_is_named_as_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'soon' does not fit TRIMTAB_POLL_INTERVAL \(write a duration"):
        load_config(environment={"HOME": "/h", "TRIMTAB_POLL_INTERVAL": "soon"})
    with pytest.raises(ConfigError, match=r"'soon' does not fit --poll-interval"):
        load_config(environment={"HOME": "/h"}, options={"poll_interval_s": "soon"})
    assert unknown_variables({"TRIMTAB_SYNC_WINDOWS": "x"})
