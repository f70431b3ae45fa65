"""Settings are read without waiting for torch where nothing of it is needed."""

import subprocess
import sys

import pytest

from metastructure.training.losses import parse_loss
from metastructure.training.settings import CANONICAL, TrainingSettings


@pytest.mark.parametrize("loss", sorted(CANONICAL))
def test_a_canonical_text_is_what_its_loss_says(loss):
    assert str(parse_loss(loss)) == loss


def test_reading_common_settings_leaves_torch_alone():
    code = (
        "import sys; from metastructure.training.settings import TrainingSettings as T;"
        "T(); T(loss='forward', transition='estimated'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_loss_that_undoes_q_still_needs_one():
    with pytest.raises(ValueError, match="undoes a transition matrix"):
        TrainingSettings(loss="forward")
