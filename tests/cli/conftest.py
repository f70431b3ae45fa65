"""One fixture for all tests of the command: it runs as people run it, and its answer comes back."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from metastructure.cli.app import main


class Answer(NamedTuple):
    """What one run of the command left: its exit code, and what it wrote on either stream."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """From the words after ``metastructure`` to their answer, through the real entry point."""

    def run_words(*words: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["metastructure", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        return Answer(int(caught.value.code or 0), *capsys.readouterr())

    return run_words
