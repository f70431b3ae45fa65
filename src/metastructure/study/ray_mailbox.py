"""News of runs on their way from the workers of a cluster to the engine.

The mailbox is a process of its own, so this module imports nothing that takes long.
"""

from dataclasses import dataclass
from typing import final


@dataclass(frozen=True)
class News:
    """How far a run is; `epochs_done` is 0 when it begins."""

    identity: str
    epochs_done: int = 0
    loss: float = 0.0


@final
class Mailbox:
    """Keeps the news of all workers until the engine takes them."""

    def __init__(self) -> None:
        self.news: list[News] = []

    def put(self, news: News) -> None:
        """Keep it."""
        self.news.append(news)

    def take(self) -> list[News]:
        """Return what came since the last time, in its order."""
        taken, self.news = self.news, []
        return taken
