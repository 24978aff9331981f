"""Jobs in manifests: what is read, and what is refused where."""

from __future__ import annotations

import pytest

from tests.unit.manifest.test_load import errors, loaded
from trimtab.model.application import HookPhase
from trimtab.model.jobs import Overlap

FILE = """\
x-trimtab:
  jobs:
    backup:
      service: backup
      schedule: "0  3 * * *"
      timeZone: Europe/Berlin
      concurrencyPolicy: Replace
      startingDeadline: 10m
      backoffLimit: 2
    once:
      service: {image: busybox, command: ["true"], environment: [A=1]}
services:
  web: {image: x, x-trimtab: {wave: 2}}
  backup: {image: x}
  migrate: {image: x, x-trimtab: {hook: PreSync}}
"""


def test_jobs_and_hooks_are_read() -> None:
    (app,) = loaded({"w/compose.yaml": FILE}).applications
    backup, once = app.jobs["backup"], app.jobs["once"]
    assert (backup.overlap, backup.starting_deadline_s, backup.retries) == (Overlap.REPLACE, 600.0, 2)
    assert backup.schedule is not None
    assert (backup.schedule.expression, backup.schedule.zone) == ("0 3 * * *", "Europe/Berlin")
    assert (once.service, once.schedule, once.overlap) == ("once", None, Overlap.FORBID)
    assert app.compose.services["once"]["environment"] == {"A": "1"}
    assert (app.service_settings["migrate"].hook, app.service_settings["web"].wave) == (HookPhase.PRE_SYNC, 2)


def test_jobs_of_an_application_alone_are_enough() -> None:
    text = """\
apiVersion: trimtab.dev/v1alpha1
kind: Application
metadata: {name: nightly}
spec:
  jobs: {clean: {schedule: "@", service: {image: x}}}
"""
    result = loaded({"a.yaml": text})
    assert "is no schedule" in result.diagnostics[0].message
    (app,) = loaded({"a.yaml": text.replace("@", "0 0 * * 0")}).applications
    assert set(app.compose.services) == {"clean"}


@pytest.mark.parametrize(
    ("old", "new", "code", "words"),
    [
        ("service: backup", "service: bakup", "TT1512", "'bakup'"),
        ("0  3 * * *", "0 25 * * *", "TT1504", "is no schedule"),
        ("Europe/Berlin", "Europe/Belin", "TT1504", "time zone"),
        ("Replace", "Never", "TT1504", "concurrencyPolicy"),
        ("backoffLimit: 2", "backoffLimit: -1", "TT1504", "at least 0"),
        ("backoffLimit", "backofLimit", "TT1502", "backofLimit"),
        ("    once:\n", "    web:\n", "TT1512", "brings its own service"),
    ],
)
def test_mistakes_are_told_with_their_place(old: str, new: str, code: str, words: str) -> None:
    result = loaded({"w/compose.yaml": FILE.replace(old, new)})
    assert errors(result) == [code]
    assert words in result.diagnostics[0].message
    assert result.diagnostics[0].origin.path == "w/compose.yaml"
    assert result.diagnostics[0].origin.line is not None


def test_a_job_has_to_name_something() -> None:
    result = loaded({"w/compose.yaml": "x-trimtab: {jobs: {x: {service: ''}}}\nservices: {web: {image: x}}\n"})
    (found,) = (d for d in result.diagnostics if d.severity == "error")
    assert "must name a service, or be one" in found.message
    assert str(found.origin).startswith("w/compose.yaml:1:")
