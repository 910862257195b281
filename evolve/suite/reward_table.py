"""Read how rewards are scaled: `[reward]` in suite.toml, or `[metadata.evolve.reward]` in task.toml for one task."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evolve.core.reward_scale import REWARD, RewardScale


class RewardTable(BaseModel):
    """The table as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    main: str = Field(REWARD, min_length=1)
    direction: Literal["higher", "lower"] = "higher"
    min: float = 0.0
    max: float = 1.0
    passes: float | None = None

    @model_validator(mode="after")
    def _check_scale(self) -> RewardTable:
        assert self.scale
        return self

    @property
    def scale(self) -> RewardScale:
        return RewardScale(self.main, self.min, self.max, self.direction == "lower", self.passes)
