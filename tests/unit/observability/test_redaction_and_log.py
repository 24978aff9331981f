"""No secret that is known, and no password in a URL, gets into a log line, whatever path it takes."""

from __future__ import annotations

import base64
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from trimtab.observability.logging import configure
from trimtab.observability.redaction import MASK, MIN_LENGTH, Redactor
from trimtab.runtime.log import Log

CANARY = 'h"nter2/ü canary'


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root = logging.getLogger()
    logging.getLogger("trimtab").setLevel(logging.NOTSET)
    for handler in [h for h in root.handlers if type(h).__module__.startswith("trimtab.")]:
        root.removeHandler(handler)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=MIN_LENGTH).filter(
        lambda s: len(s.strip()) >= MIN_LENGTH
    ),
    st.text(),
    st.text(),
)
def test_a_known_secret_is_never_in_the_output(secret: str, before: str, after: str) -> None:
    guard = Redactor([secret])
    assert secret not in guard.text(before + secret + after)
    for form in (quote(secret, safe=""), json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode()):
        assert form not in guard.text(f"x {form} y")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("cannot fetch https://ada:s3cret@git.example.com/x.git now", "https://***@git.example.com/x.git"),
        ("https://ghp_token123@host/x", "https://***@host/x"),
        ("ssh://git@host/x", "ssh://***@host/x"),
        ("GET /x?private_token=abcd&page=2", "/x?private_token=***&page=2"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("{'X-Registry-Auth': 'eyJhbGciOi'}", "'X-Registry-Auth': '***'"),
        ("see https://example.com/a@b", "https://example.com/a@b"),
        ("ada@example.com pushed", "ada@example.com pushed"),
    ],
)
def test_credentials_are_masked_even_when_nobody_knew_them(text: str, masked: str) -> None:
    assert masked in Redactor().text(text)


def test_lines_of_a_key_are_masked_one_by_one_and_short_words_are_left() -> None:
    guard = Redactor(["-----BEGIN KEY-----\nMIIabcdef\nzz\n-----END KEY-----\n", "on"])
    assert guard.text("line MIIabcdef is on") == f"line {MASK} is on"


def test_data_is_masked_in_depth_and_strangers_become_text() -> None:
    guard = Redactor([CANARY])

    class Stranger:
        def __str__(self) -> str:
            return f"I hold {CANARY}"

    masked = guard.value({"a": [CANARY, 1, None, True], CANARY: (Stranger(),)})
    assert masked == {"a": [MASK, 1, None, True], MASK: [f"I hold {MASK}"]}


def test_machines_get_json_lines_and_no_secret_in_any_of_them() -> None:
    out = io.StringIO()
    configure(stream=out, redactor=Redactor([CANARY]))
    log = structlog.get_logger("x")
    with structlog.contextvars.bound_contextvars(app="shop"):
        log.info("said " + CANARY, fields={"deep": [CANARY]})  # noqa: G003 - a text that holds a secret is the point
    try:
        hidden_local = CANARY
        raise ValueError(hidden_local)
    except ValueError:
        log.exception("failed")
    logging.getLogger("docker").warning("foreign %s", CANARY)
    logging.getLogger("docker").info("not ours to tell")
    # What Python's warnings become once they are captured.
    logging.getLogger("py.warnings").warning("beware of %s", CANARY)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["message"].partition(" ")[0], line["level"]) for line in lines[:3]] == [
        ("said", "info"),
        ("failed", "error"),
        ("foreign", "warning"),
    ]
    assert lines[0]["app"] == "shop"
    assert lines[0]["time"].endswith("Z")
    assert "ValueError" in lines[1]["exception"]
    assert "beware" in lines[3]["message"]
    assert CANARY not in out.getvalue()
    assert "h\\" not in out.getvalue()


def test_people_get_plain_lines_and_no_local_variables_in_tracebacks() -> None:
    out = Terminal()
    configure(stream=out, level="warning", redactor=Redactor([CANARY]))
    log = structlog.get_logger("x")
    log.info("too quiet")
    try:
        private = "another-local-value"
        raise KeyError(len(private))
    except KeyError:
        log.exception("failed", app="shop")
    text = out.getvalue()
    assert "too quiet" not in text
    assert "failed" in text
    assert "shop" in text
    assert "KeyError" in text
    # The source line is shown, the value of the variable in a list of locals is not.
    assert text.count("another-local-value") <= 1


def test_the_runtime_is_heard_with_its_facts_at_the_level_that_was_asked_for() -> None:
    out = io.StringIO()
    configure(stream=out, level="info", redactor=Redactor([CANARY]))
    log = Log("trimtab.runtime.test")
    log.info("pass cut short", app="shop", reason=CANARY)
    try:
        raise KeyError(CANARY)
    except KeyError as error:
        log.error("a pass failed", cause=error, app="shop")  # noqa: TRY400 - it is not logging's own
    first, second = (json.loads(line) for line in out.getvalue().splitlines())
    assert (first["message"], first["level"], first["app"], first["reason"]) == ("pass cut short", "info", "shop", MASK)
    assert (second["message"], "KeyError" in second["exception"]) == ("a pass failed", True)
    configure(stream=out, level="error")
    log.warning("too quiet now")
    assert "too quiet" not in out.getvalue()


def test_in_a_command_the_runtime_never_writes_to_standard_output() -> None:
    script = """
import sys
from trimtab.runtime.log import Log
secret_local = "hunter" + "2"
log = Log("trimtab.runtime.x")
log.info("quiet")
try:
    raise KeyError(secret_local)
except KeyError as error:
    log.error("a step failed", cause=error, step="StartContainer")
sys.exit("structlog" in sys.modules)
"""
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=paths)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("a step failed step=StartContainer (KeyError)\n  File")
    assert "hunter2" not in done.stderr
    assert "quiet" not in done.stderr


def test_a_foreign_record_that_cannot_be_formatted_is_still_told() -> None:
    out = io.StringIO()
    configure(stream=out, json=True)
    (bridge,) = [h for h in logging.getLogger().handlers if type(h).__module__.startswith("trimtab.")]
    # Straight to our handler: pytest's own would raise on such a record.
    bridge.handle(logging.LogRecord("lib", logging.ERROR, "", 0, "%d items", ("three",), None))
    assert json.loads(out.getvalue())["message"] == "%d items"
