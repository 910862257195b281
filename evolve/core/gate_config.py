"""How the gate decides, as a run stores it."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MOST_PASSES = 64
MOST_RACERS = 64
# Of the rule `evolve`: a later one takes other decisions on the same trials.
RULE_VERSION = 3
# Of all runs of versions in which voided attempts decided nothing, nothing was measured again, the gate pooled the
# splits, each pass was over all tasks, a large suite had the stages of a small one, a stack was given up whole, and
# dropped patches told nothing of their tasks.
EARLIER_GATE = {
    "voided_risk": 0.0,
    "jump": 0.0,
    "generalise": False,
    "null_share": 0.0,
    "stage_trials": 0,
    "large_worth": 30.0,
    "step_back": False,
    "learn_from_dropped": False,
    "version": 1,
}


class GateConfig(BaseModel):
    """When the tip takes up a patch, and when its patches become the champion (see docs/statistics.md).

    All but `rule` and `attempts` are of rule `evolve` alone, `merge_every` of the rules that keep all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    rule: str = Field(
        "evolve",
        description="`evolve`, or a rule to compare with: `greedy` keeps a patch that scores higher; `archive`, "
        "`clade` and `pareto` keep all patches and choose parents; or the name of a plug-in.",
    )
    version: int = Field(
        RULE_VERSION,
        ge=1,
        le=RULE_VERSION,
        description="Of the rule; a run is resumed by the version that it began with.",
    )
    attempts: int = Field(2, ge=1, le=MOST_PASSES, description="Attempts at each task, for the other rules.")
    risk: float = Field(0.01, gt=0, lt=0.5, description="Probability of harm up to which the tip becomes champion.")
    give_up: float = Field(0.8, gt=0.5, lt=1, description="Probability of being worse at which the stack is abandoned.")
    step_back: bool = Field(
        True,
        description="Whether the tip also gives way to an earlier scaffold of its stack, if it is probably worse than "
        "that one: the patches up to there stay.",
    )
    passes: tuple[int, ...] = Field(
        (1, 2, 3, 4, 6, 8),
        min_length=1,
        description="Passes over all tasks, or over a sample of 44, at the end of each stage after the first.",
    )
    stage_trials: int = Field(
        7,
        ge=0,
        description="Trials after which a patch is judged again, on a suite of more than 44 tasks; 0: the stages of a "
        "small suite.",
    )
    tip_passes: float = Field(2, gt=0, description="Passes on the tip before it is challenged.")
    tip_share: float = Field(
        0.05, ge=0, lt=1, description="Minimum trials of the tip, as a share of those of its challengers."
    )
    worth: float = Field(30, gt=0, description="Weight of the first prior, in patches.")
    large_worth: float = Field(
        1000,
        gt=0,
        description="The same on a suite of more than 44 tasks, where patches run few trials and share the error of "
        "their tip's.",
    )
    learn_from_dropped: bool = Field(
        True,
        description="Whether the trials of dropped patches also tell how easy their tasks are, on a suite of more than "
        "44 tasks.",
    )
    validation_veto: float = Field(
        1.5, ge=0, description="Standard errors below the tip on validation alone at which a patch is rejected."
    )
    generalise: bool = Field(
        True,
        description="Whether a patch must be supported by validation on its own: one that helps only on train tasks "
        "is rejected, and the stack becomes champion only with a lead on validation.",
    )
    null_share: float = Field(
        0.05,
        ge=0,
        le=0.5,
        description="Share of rounds that judge an unchanged copy of the tip, which shows how often the gate keeps "
        "what is no better; 0: none.",
    )
    voided_risk: float = Field(
        0.001,
        ge=0,
        lt=1,
        description="Probability of chance up to which a patch that voids more attempts than the tip is rejected.",
    )
    jump: float = Field(
        0.001,
        ge=0,
        lt=0.5,
        description="Probability up to which a patch's gain is implausible: it is measured again on fresh attempts "
        "before it is built upon; 0: never.",
    )
    tie_saving: float = Field(
        0.05, gt=0, lt=1, description="Share of the cost (or of the size, at equal cost) that breaks a tie."
    )
    ablate_every: int = Field(16, ge=0, description="Every so many rounds, one leaves out a patch; 0: never.")
    race: int = Field(1, ge=1, le=MOST_RACERS, description="Patches of one tip that are made at once and raced.")
    merge_every: int = Field(
        8, ge=0, description="Every so many rounds, one merges the best of another branch into the parent; 0: never."
    )

    @property
    def most_passes(self) -> int:
        """Over all tasks, of one challenger."""
        return self.passes[-1] if self.rule == "evolve" else self.attempts

    @model_validator(mode="after")
    def _alone(self) -> Self:
        if self.race > 1 and self.rule != "evolve":
            raise ValueError(f"race: rule {self.rule} judges one patch at a time")
        return self

    @field_validator("passes", mode="before")
    @classmethod
    def _split(cls, passes: object) -> object:
        """On the command line the numbers are one text, with commas between them."""
        return passes.split(",") if isinstance(passes, str) else passes

    @field_validator("passes")
    @classmethod
    def _rising(cls, passes: tuple[int, ...]) -> tuple[int, ...]:
        if passes[0] != 1 or sorted(set(passes)) != list(passes) or passes[-1] > MOST_PASSES:
            raise ValueError(f"passes must begin with 1 and rise, up to {MOST_PASSES} at most")
        return passes
