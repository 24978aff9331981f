"""Sync windows of trimtab.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from trimtab.config import load_config
from trimtab.errors import ConfigError
from trimtab.model.keys import AppKey
from trimtab.model.windows import WindowKind


def configured(tmp_path: Path, windows: str) -> Path:
    file = tmp_path / "trimtab.yaml"
    file.write_text(f"syncWindows: {windows}\n", encoding="utf-8")
    return file


def test_windows_of_the_controller_name_applications_by_globs(tmp_path: Path) -> None:
    text = "[{kind: deny, schedule: '0 9 * * *', duration: 8h, timeZone: Asia/Tokyo, applications: ['prod-*']}]"
    (window,) = load_config(configured(tmp_path, text), environment={}).sync_windows
    assert (window.kind, window.schedule.zone, window.duration_s) == (WindowKind.DENY, "Asia/Tokyo", 8 * 3600)
    assert window.matches(AppKey("default", "prod-shop"))
    assert not window.matches(AppKey("default", "shop"))


@pytest.mark.parametrize(
    ("windows", "says"),
    [
        ("{}", "has to be a list"),
        ("[{kind: deny, schedule: nightly, duration: 1h}]", r"syncWindows\[0\].schedule .*1 fields"),
        ("[{kind: deny, schedule: '0 9 * * *', duration: 1h, clusters: ['*']}]", r"syncWindows\[0\].clusters"),
        ("[{kind: deny, schedule: '0 9 * * *', duration: 1h, applications: []}]", r"syncWindows\[0\].applications"),
    ],
)
def test_what_is_no_window_is_refused(tmp_path: Path, windows: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_config(configured(tmp_path, windows), environment={})
