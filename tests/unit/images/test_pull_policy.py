"""When an image is pulled, and what a failed pull means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from trimtab.errors import BackendUnavailable, RateLimited, RegistryUnavailable, TrimtabError, UserError
from trimtab.images.failures import is_registry_away, registry_error
from trimtab.images.pins import normalized
from trimtab.images.pull import pull_needed, refresh_interval

NOW = datetime(2026, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "present", "absent"),
    [
        ("always", True, True),
        ("never", False, False),
        ("build", False, False),
        ("missing", False, True),
        ("if_not_present", False, True),
        ("", False, True),
        ("refresh", True, True),
    ],
)
def test_policies_without_a_time(policy: str, *, present: bool, absent: bool) -> None:
    pulled_at = NOW - timedelta(minutes=1)
    assert pull_needed(policy, image_present=True, pulled_at=pulled_at, now=NOW) is present
    assert pull_needed(policy, image_present=False, pulled_at=None, now=NOW) is absent


@pytest.mark.parametrize(
    ("policy", "age"),
    [
        ("daily", timedelta(days=1)),
        ("weekly", timedelta(days=7)),
        ("every_12h", timedelta(hours=12)),
        ("every_1w2d3h4m5s", timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)),
    ],
)
def test_policies_with_a_time_pull_when_it_is_over(policy: str, age: timedelta) -> None:
    assert refresh_interval(policy) == age
    assert not pull_needed(policy, image_present=True, pulled_at=NOW - age, now=NOW)
    assert pull_needed(policy, image_present=True, pulled_at=NOW - age - timedelta(seconds=1), now=NOW)
    assert pull_needed(policy, image_present=True, pulled_at=None, now=NOW)
    assert pull_needed(policy, image_present=False, pulled_at=None, now=NOW)


@pytest.mark.parametrize("policy", ["sometimes", "every_", "every_5", "every_x", "every_5h "])
def test_an_unknown_policy_is_refused(policy: str) -> None:
    with pytest.raises(UserError, match="pull_policy"):
        pull_needed(policy, image_present=True, pulled_at=NOW, now=NOW)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("manifest for r/x:1 not found: manifest unknown: manifest unknown", UserError),
        ("pull access denied for x, repository does not exist or may require 'docker login'", UserError),
        ("Get http://r/v2/x/manifests/1: unauthorized: authentication required", UserError),
        ("no matching manifest for linux/arm64 in the manifest list entries", UserError),
        ("invalid reference format", UserError),
        ("Get https://r/v2/: dial tcp: lookup r: no such host", RegistryUnavailable),
        ("Get https://r/v2/: dial tcp 10.0.0.1:443: connect: connection refused", RegistryUnavailable),
        ("Get https://r/v2/: net/http: TLS handshake timeout", RegistryUnavailable),
        ("received unexpected HTTP status: 503 Service Unavailable", RegistryUnavailable),
        ("something never heard of", RegistryUnavailable),
        ("failed to register layer: write /bin/x: no space left on device", BackendUnavailable),
        ("toomanyrequests: You have reached your pull rate limit", RateLimited),
    ],
)
def test_a_failed_pull_stalls_waits_or_is_tried_again(message: str, kind: type[TrimtabError]) -> None:
    error = registry_error("r/x:1", message)
    assert type(error) is kind
    assert "r/x:1" in str(error)
    assert error.hint


def test_an_unknown_message_of_a_build_is_the_builds_own() -> None:
    assert not is_registry_away("something never heard of")
    assert not is_registry_away("manifest unknown")
    assert is_registry_away("dial tcp: i/o timeout")


@pytest.mark.parametrize(
    ("ref", "same"),
    [
        ("busybox", "busybox:latest"),
        ("docker.io/library/busybox:1", "busybox:1"),
        ("docker.io/team/x", "team/x:latest"),
        ("127.0.0.1:5000/x", "127.0.0.1:5000/x:latest"),
        ("x@sha256:ab", "x@sha256:ab"),
        ("sha256:ab", "sha256:ab"),
    ],
)
def test_references_have_one_spelling(ref: str, same: str) -> None:
    assert normalized(ref) == normalized(same) == same
