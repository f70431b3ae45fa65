"""From the record of a run to the panel of its learning curves."""

from metastructure.report.learning import CURVES, Learning
from metastructure.study.record import RunRecord
from metastructure.training.dynamics import memorisation_start


def make_learning(record: RunRecord) -> Learning:
    """Return the learning curves of a run that kept its dynamics; what is not defined for its noise is NaN."""
    curves = {name: [epoch.get(name, float("nan")) for epoch in record.dynamics] for name in CURVES}
    return Learning(title=record.spec.noise, start=memorisation_start(record.dynamics), **curves)
