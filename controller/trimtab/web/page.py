"""``/``: a plain page of where applications stand. No script, nothing from elsewhere, everything escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from html import escape
from urllib.parse import quote

from trimtab.model.status import AppStatus, HealthStatus, SyncStatus
from trimtab.plan.units import ago

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1c1e21;"
    "background:#fff}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .8rem .4rem 0;"
    "border-bottom:1px solid #d8dce0;vertical-align:top}td.what{overflow-wrap:anywhere}code{font-size:.9em}"
    ".good{color:#137333}.bad{color:#b3261e}.other{color:#8a5a00}footer{margin-top:2rem;color:#5f6368}"
    "@media(prefers-color-scheme:dark){body{background:#17191c;color:#e3e5e8}th,td{border-color:#3a3f45}"
    ".good{color:#6dd58c}.bad{color:#f2b8b5}.other{color:#f5c26b}a{color:#8ab4f8}}"
)
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_GOOD: frozenset[str] = frozenset({SyncStatus.SYNCED.value, HealthStatus.HEALTHY.value})
_BAD: frozenset[str] = frozenset({HealthStatus.DEGRADED.value, HealthStatus.MISSING.value})


def page(statuses: Sequence[AppStatus], now: datetime, not_ready: str) -> str:
    """The whole document."""
    rows = "".join(_row(status, now) for status in statuses)
    head = "".join(f"<th>{name}</th>" for name in ("Application", "Sync", "Health", "Revision", "Since", "What"))
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    note = f'<p class="other">Not ready: {escape(not_ready)}</p>' if not_ready else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Trimtab</title>'
        '<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="5">'
        f"<style>{_STYLE}</style></head><body><h1>Trimtab</h1>{note}"
        f"{table if statuses else '<p>No applications yet.</p>'}"
        '<footer><a href="/api/v1/applications">applications</a> · <a href="/api/v1/events?limit=100">events</a> · '
        '<a href="/metrics">metrics</a> · <a href="/api/openapi.json">API</a> · '
        f"as of {now:%Y-%m-%d %H:%M:%S} UTC</footer></body></html>\n"
    )


def _row(status: AppStatus, now: datetime) -> str:
    place = f"/api/v1/applications/{quote(status.app.namespace, safe='')}/{quote(status.app.name, safe='')}"
    since = ago((now - status.since).total_seconds()) if status.since else ""
    return (
        f'<tr><td><a href="{escape(place)}">{escape(str(status.app))}</a></td>{_word(status.sync.value)}'
        f"{_word(status.health.value)}<td><code>{escape(status.desired_revision[:7])}</code></td>"
        f'<td>{escape(since)}</td><td class="what">{escape(status.message)}</td></tr>'
    )


def _word(word: str) -> str:
    colour = "good" if word in _GOOD else "bad" if word in _BAD else "other"
    return f'<td class="{colour}">{escape(word)}</td>'
