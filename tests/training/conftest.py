"""Fixtures of the tests of training: what a training did, step by step."""

import pytest
import torch


@pytest.fixture
def adamw_steps(monkeypatch: pytest.MonkeyPatch) -> list[list[torch.Tensor]]:
    """The weights after each step that AdamW takes from now on; slow references average them by hand."""
    steps: list[list[torch.Tensor]] = []
    original = torch.optim.AdamW.step

    def step(self: torch.optim.AdamW, *arguments: object) -> object:
        result = original(self, *arguments)  # type: ignore[arg-type]
        steps.append([value.detach().clone() for group in self.param_groups for value in group["params"]])
        return result

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    return steps
