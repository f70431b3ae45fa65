"""What the library has to say while it works: as it comes, in one line each, as loud as asked."""

import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metastructure import __version__
from metastructure.cli.warn import is_quiet, set_level, show_messages, stderr_console
from metastructure.data.journal import read_journal

Run = Callable[..., Any]

LOGGER = logging.getLogger("metastructure.some.module")


def _work() -> None:
    print("first", file=sys.stderr)
    warnings.warn("few pixels", stacklevel=1)
    LOGGER.info("3 of 5 done")
    print("last", file=sys.stderr)


@pytest.mark.parametrize(
    ("verbose", "quiet", "told"),
    [
        (False, False, ["first", "warning: few pixels", "last"]),
        (True, False, ["first", "warning: few pixels", "info: 3 of 5 done", "last"]),
        (False, True, ["first", "last"]),
    ],
)
def test_messages_come_when_they_arise(
    capsys: pytest.CaptureFixture[str], verbose: bool, quiet: bool, told: list[str]
) -> None:
    with show_messages():
        set_level(verbose, quiet)
        assert is_quiet() == quiet
        _work()
        assert capsys.readouterr().err.splitlines() == told


def test_errors_of_the_log_are_told_even_in_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    with show_messages():
        set_level(verbose=False, quiet=True)
        LOGGER.error("a file is damaged: %s", "a.png")
    assert capsys.readouterr().err == "error: a file is damaged: a.png\n"


def test_a_warning_in_a_loop_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with show_messages():
        for _ in range(3):
            warnings.warn("few pixels", stacklevel=1)
    assert capsys.readouterr().err == "warning: few pixels\n"


def test_afterwards_the_library_is_as_silent_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    before = logging.getLogger("metastructure").handlers[:]
    with show_messages():
        set_level(verbose=True, quiet=False)
    LOGGER.info("unheard")
    assert capsys.readouterr().err == ""
    assert logging.getLogger("metastructure").handlers == before
    assert [type(handler) for handler in before if isinstance(handler, logging.NullHandler)]
    with pytest.warns(UserWarning, match="few pixels"):
        warnings.warn("few pixels", stacklevel=1)


def test_quiet_silences_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with show_messages():
        stderr_console().print("1/2")
        set_level(verbose=False, quiet=True)
        stderr_console().print("2/2")
    assert capsys.readouterr().err == "1/2\n"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"file": "b.png"}', ["{path}: 2 files are recorded as done"]),
        (
            '{"file": "b.p',
            [
                "{path}: its last line was cut short by a crash and is passed over",
                "{path}: 1 files are recorded as done",
            ],
        ),
    ],
)
def test_the_library_logs_what_it_goes_on_from(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, line: str, told: list[str]
) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text(f'{{"noise": "clean"}}\n{{"file": "a.png"}}\n{line}', encoding="utf-8")
    with show_messages():
        set_level(verbose=True, quiet=False)
        read_journal(path, dict[str, str], dict[str, str])
        assert capsys.readouterr().err.splitlines() == [f"info: {text.format(path=path)}" for text in told]
        set_level(verbose=False, quiet=False)
        read_journal(path, dict[str, str], dict[str, str])
    assert capsys.readouterr().err == ""


def test_the_version(run: Run) -> None:
    assert run("--version") == (0, f"metastructure {__version__}\n", "")


def test_loudness_stands_before_the_command(run: Run) -> None:
    code, out, err = run("-v", "data", "check", "nowhere")
    assert (code, out) == (2, "")
    assert err.startswith("error: nowhere")
    code, _, err = run("--quiet", "-v", "data", "check", "nowhere")
    assert code == 2
    assert "contradict each other" in err
