"""The formats that runs are exported to."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """ATIF: folders for Harbor's viewer. OTEL: traces of OpenTelemetry. DATASET: JSON Lines with a dataset card.

    AGENT: no trials, but the champion as an agent that Harbor runs.
    """

    ATIF = "atif"
    OTEL = "otel"
    DATASET = "dataset"
    AGENT = "harbor-agent"
