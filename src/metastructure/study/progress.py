"""What a study tells while it runs; commands draw it, the library calls it."""

from metastructure.errors import RunError
from metastructure.study.record import RunRecord
from metastructure.study.spec import RunSpec


class Progress:
    """Hears what happens and does nothing; a child draws what it wants to.

    Runs may overlap, and one that is begun anew is heard of anew.
    """

    def run_started(self, run: RunSpec) -> None:
        """Training of a run begins."""

    def epoch_done(self, run: RunSpec, epochs_done: int, loss: float) -> None:
        """An epoch of a run has ended; where epochs are short, some are not heard of."""

    def run_lost(self, run: RunSpec, reason: str) -> None:
        """The process or the node of a run died; it will go on from its last checkpoint."""

    def run_elsewhere(self, run: RunSpec) -> None:
        """Another process does the run; it is waited for."""

    def run_done(self, run: RunSpec, record: RunRecord) -> None:
        """A run's record is written."""

    def run_failed(self, run: RunSpec, error: RunError) -> None:
        """A run could not be finished."""
