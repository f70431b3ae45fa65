"""Shell completion: the script that each shell loads, and the choices that come back."""

import json
import os
import subprocess
import sys

import pytest

from metastructure.cli.options import complete_method, complete_network, complete_noise
from metastructure.networks.spec import NETWORKS
from metastructure.noise import NOISE
from metastructure.unsupervised.methods import METHODS

COMPLETE = "_METASTRUCTURE_COMPLETE"


def _run(words: list[str], **variables: str) -> str:
    """Return what the command prints, in a process of its own as a shell starts it."""
    call = [sys.executable, "-c", f"import sys; sys.argv[1:] = {words!r}\nfrom metastructure.cli import main; main()"]
    return subprocess.run(call, env={**os.environ, **variables}, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("shell", "mark"),
    [
        ("bash", "complete -o default -F"),
        ("zsh", "#compdef metastructure"),
        ("fish", "complete --command metastructure"),
    ],
)
def test_each_shell_is_shown_its_script(shell: str, mark: str) -> None:
    script = _run(["--show-completion", shell], _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert mark in script
    assert COMPLETE in script


@pytest.mark.parametrize(
    ("words", "choices"),
    [
        ("metastructure sea", []),
        ("metastructure seg", ["segment"]),
        ("metastructure segment a b --method ot", ["otsu"]),
        ("metastructure segment a b --side ", ["auto", "bright", "dark"]),
        ("metastructure data generate m", ["mito"]),
    ],
)
def test_bash_is_given_the_choices(words: str, choices: list[str]) -> None:
    last = len(words.split(" ")) - 1
    told = _run([], COMP_WORDS=words, COMP_CWORD=str(last), **{COMPLETE: "complete_bash"})
    assert told.split() == choices


def test_names_complete_from_the_tables() -> None:
    assert complete_method("") == [*METHODS, "all"]
    assert complete_network("") == list(NETWORKS)
    assert complete_noise("") == list(NOISE)
    assert complete_method("ig") == ["igtt", "igtt_published"]
    assert complete_network("zzz") == []


def test_the_last_term_of_a_noise_is_completed() -> None:
    assert complete_noise("sample:0.1 + dil") == ["sample:0.1 + dilate"]
    assert complete_noise("sample:0.1+er") == ["sample:0.1+erode"]


@pytest.mark.parametrize("complete", ["complete_network", "complete_method"])
def test_completing_does_not_wait_for_torch(complete: str) -> None:
    code = f"import json, sys; from metastructure.cli.options import {complete} as c; c('')"
    code += "; print(json.dumps('torch' in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) is False
