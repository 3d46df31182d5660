"""What the demo has heard from the topics: decisions, outcomes, the newest forecast.

Rule: fed by the recorder, line by line; the view is told as it comes.
"""

from __future__ import annotations

from lab.view import ViewState
from models.domain.decision import Decision
from models.domain.forecast import Forecast
from models.domain.outcome import Outcome
from streams import codec


class Collected:
    """Records in the order of their topics."""

    def __init__(self, view: ViewState) -> None:
        self.decisions: list[Decision] = []
        self.outcomes: dict[str, Outcome] = {}
        self.forecasts: list[Forecast] = []
        self.upper: float | None = None
        self._view = view

    def take(self, topic: str, line: bytes) -> None:
        """One line of a topic."""
        if topic == "decisions":
            decision = codec.decision(line)
            self.decisions.append(decision)
            self._view.decisions.append(decision)
        elif topic == "outcomes":
            outcome = codec.outcome(line)
            self.outcomes[outcome.decision] = outcome
            self._view.outcomes[outcome.decision] = outcome
        elif topic == "forecasts":
            forecast = codec.forecast(line)
            self.forecasts.append(forecast)
            self.upper = max(forecast.quantiles.values())
            self._view.centre = forecast.centre
            self._view.trust = forecast.trust
