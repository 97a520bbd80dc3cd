"""Every error reaches a person as one line; no traceback reaches a screen."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cli.main
from cli.failures import PIPE_STATUS, TRACEBACK_VARIABLE, UNEXPECTED_STATUS
from cli.text import one_line
from jobs.errors import ConfigurationError
from jobs.settings import load_settings

ROOT = Path(__file__).parents[2]


def run(*arguments: str | bytes, **options: Any) -> subprocess.CompletedProcess[bytes]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(command, cwd=ROOT, timeout=120, check=False, **options)


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...] = ("profile", "s")) -> int:
    def verb(standalone_mode: bool) -> None:
        raise error

    monkeypatch.setattr(cli.main, "app", verb)
    monkeypatch.setattr(sys, "argv", ["heliotrope", *argv])
    with pytest.raises(SystemExit) as ending:
        cli.main.main()
    assert isinstance(ending.value.code, int)
    return ending.value.code


def test_an_unexpected_error_is_one_line_and_its_traceback_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert fail_with(RecursionError("too deep\nindeed"), monkeypatch) == UNEXPECTED_STATUS
    shown = capsys.readouterr().err
    [report] = tmp_path.iterdir()
    assert shown.count("\n") == 1
    assert "RecursionError: too deep" in shown
    assert str(report) in shown
    assert "Traceback" in report.read_text()
    assert report.stat().st_mode & 0o077 == 0


def test_a_variable_brings_the_traceback_to_the_screen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv(TRACEBACK_VARIABLE, "1")
    fail_with(KeyError("x"), monkeypatch)
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (PermissionError(13, "Permission denied", "out.model"), 1, "out.model: Permission denied"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (BrokenPipeError(), PIPE_STATUS, ""),
        (KeyboardInterrupt(), 130, ""),
        (SystemExit(3), 3, ""),
    ],
)
def test_what_the_system_refuses_needs_no_report(
    error: BaseException,
    status: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fail_with(error, monkeypatch) == status
    shown = capsys.readouterr().err
    assert words in shown
    assert "unexpected" not in shown
    assert shown.count("\n") == bool(words)


def test_an_id_that_is_no_text_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    error = UnicodeEncodeError("utf-8", "s\udcff", 1, 2, "surrogates not allowed")
    assert fail_with(error, monkeypatch, ("profile", "s\udcff")) == 1
    assert "s\\xff is not UTF-8" in capsys.readouterr().err


@given(st.text())
def test_a_message_is_one_line_without_control_characters(message: str) -> None:
    shown = one_line(message)
    assert shown.isprintable()
    shown.encode()


def test_a_file_name_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    done = run("replay", os.fsencode(tmp_path) + b"/n\xff.csv", "--format", "taobao", "--set", "kafka.bootstrap=x:1")
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_output_that_takes_no_more_is_said() -> None:
    with open("/dev/full", "wb") as full:
        done = run("--help", stdout=full)
    assert done.returncode == 1
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_went_away_ends_it_silently() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run("replay", "--help", stdout=writing)
    os.close(writing)
    assert done.returncode not in (0, UNEXPECTED_STATUS)
    assert done.stderr == b""


@pytest.mark.parametrize("content", [b"[" * 20_000, b"a: 2026-99-99", b"\xff\xfe"])
def test_a_configuration_that_is_none_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "conf.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is not YAML"):
        load_settings(path)
