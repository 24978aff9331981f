from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from trimtab.errors import ConfigError
from trimtab.sources import credentials
from trimtab.sources.credentials import Credential, CredentialFiles, merged, sweep_dead
from trimtab.sources.environment import network_environment, reading_environment
from trimtab.sources.urls import parse_url

HTTPS = parse_url("https://git.example.com:8443/x.git")


def ask(files: CredentialFiles, prompt: str) -> str:
    done = subprocess.run([files.environment["GIT_ASKPASS"], prompt], capture_output=True, text=True, check=False)
    return done.stdout


def test_askpass_answers_its_own_host_only(tmp_path: Path) -> None:
    files = CredentialFiles(HTTPS, Credential(username="ada", password="pa'ss $x `id`"), tmp_path / "it's here")
    assert ask(files, "Username for 'https://git.example.com:8443': ") == "ada"
    assert ask(files, "Password for 'https://ada@git.example.com:8443': ") == "pa'ss $x `id`"
    assert ask(files, "Password for 'https://ada@evil.example.com': ") == ""
    assert ask(files, "Password for 'https://ada@git.example.com:8443.evil.com': ") == ""
    assert ask(files, "Enter passphrase for key: ") == ""
    files.close()
    assert not files.directory.exists()


def test_only_we_can_read_the_files_and_nothing_else_carries_the_secret(tmp_path: Path) -> None:
    secret = Credential(username="ada", password="s3cret-one", bearer_token="s3cret-two")
    files = CredentialFiles(HTTPS, secret, tmp_path / "run")
    assert files.directory.stat().st_mode & 0o777 == 0o700
    for file in files.directory.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    environment = network_environment(tmp_path, protocol="https", home=files.directory, extra=files.environment)
    assert "s3cret" not in repr(environment)
    assert "s3cret" not in repr(secret)
    assert "s3cret-two" in (files.directory / "gitconfig").read_text()
    files.close()


def test_what_a_killed_process_left_is_swept_and_what_lives_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "_YOUNG_S", -1.0)
    living = CredentialFiles(HTTPS, Credential(password="x"), tmp_path)
    dead = tmp_path / "run-dead"
    dead.mkdir()
    (dead / "alive").touch()
    (dead / "password").write_text("left")
    sweep_dead(tmp_path)
    assert not dead.exists()
    assert living.directory.exists()
    living.close()
    living.close()


def test_a_credential_with_a_line_break_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        CredentialFiles(HTTPS, Credential(username="a", password="se\ncret"), tmp_path)
    assert "cret" not in str(caught.value).replace("credential", "")


@pytest.mark.parametrize(
    "name", ["GIT_DIR", "GIT_TRACE", "GIT_SSH_COMMAND", "LD_PRELOAD", "TRIMTAB_GIT_TOKEN", "AWS_SECRET_ACCESS_KEY"]
)
def test_git_inherits_nothing_that_was_not_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "inherited")
    assert "inherited" not in reading_environment(tmp_path).values()
    assert (
        "inherited" not in network_environment(tmp_path, protocol="ssh", home=tmp_path, extra={}, agent=True).values()
    )


def test_ssh_is_asked_for_nothing_but_the_connection(tmp_path: Path) -> None:
    credential = Credential(ssh_key_file=Path("/keys/my key"), known_hosts_file=Path("/keys/known hosts"))
    files = CredentialFiles(parse_url("git@host:x"), credential, tmp_path)
    command = files.environment["GIT_SSH_COMMAND"]
    for part in (
        "-F /dev/null",
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "'/keys/my key'",
        "ProxyCommand=none",
        "IdentitiesOnly=yes",
    ):
        assert part in command
    assert "GIT_ASKPASS" not in files.environment
    files.close()


def test_the_credential_given_wins_over_the_one_in_the_url() -> None:
    url = parse_url("https://ada:old@host/x")
    assert merged(url, None).password == "old"
    assert merged(url, Credential(password="new")).password == "new"
    assert merged(url, Credential(ca_file=Path("/ca"))).password == "old"
    assert merged(url, Credential(ca_file=Path("/ca"))).ca_file == Path("/ca")
    assert merged(parse_url("ssh://git@host/x"), None) == Credential()


def test_a_reader_may_use_no_protocol_at_all(tmp_path: Path) -> None:
    environment = reading_environment(tmp_path)
    assert environment["GIT_ALLOW_PROTOCOL"] == "none"
    assert environment["PATH"] == os.environ["PATH"]
