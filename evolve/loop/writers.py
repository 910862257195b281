"""Who writes a patch from a brief: the model in a conversation, or the tip scaffold at work on its own files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from evolve.budget.run_budget import proposal_key
from evolve.core.records import Candidate, ModelSpec
from evolve.executor.protocol import Executor
from evolve.llm import ChatModel
from evolve.loop.propose import Brief, Check, WrittenProposal, direct, prompt_digest, self_improve, self_proposer
from evolve.loop.proposer import Proposer
from evolve.loop.trial_specs import TrialSpecs
from evolve.trial.self_work import SelfWork, SelfWorkResult


class Writer(Protocol):
    """Write the patch of one round. Its cost is booked under the round's name."""

    @property
    def model(self) -> str:
        """The name of the model that is asked."""
        ...

    def prompt_digest(self) -> str:
        """The sha256 of the prompts."""
        ...

    def write(self, tip: Candidate, number: int, brief: Brief, seed: int, check: Check) -> WrittenProposal:
        """Write a patch of the tip that passes the check.

        Returns:
            The proposal with its conversation; where none passes, the last one, whose `note` says why it can't be used.

        Raises:
            InfraError: The endpoint or the machine failed.
        """
        ...


@dataclass(frozen=True)
class DirectWriter:
    """Have the proposing model write the patch.

    model_for: the model, for work of this name; max_tokens: the run's limit of an answer.
    """

    model_for: Callable[[str], ChatModel]
    spec: ModelSpec
    max_tokens: int

    @property
    def model(self) -> str:
        return self.spec.name

    def prompt_digest(self) -> str:
        return prompt_digest()

    def write(self, tip: Candidate, number: int, brief: Brief, seed: int, check: Check) -> WrittenProposal:
        return direct(self.model_for(proposal_key(number)), self.spec, brief, seed, check, self.max_tokens)


@dataclass(frozen=True)
class PluginWriter:
    """Have a plug-in write the patch. `name`: as it is stored with the run."""

    name: str
    proposer: Proposer

    @property
    def model(self) -> str:
        return self.name

    def prompt_digest(self) -> str:
        return ""

    def write(self, tip: Candidate, number: int, brief: Brief, seed: int, check: Check) -> WrittenProposal:
        proposal = self.proposer.propose(brief, seed, check)
        return WrittenProposal(replace(proposal, note=proposal.note or check(proposal) or ""), ())


@dataclass(frozen=True)
class SelfWriter:
    """Have the tip scaffold write the patch, in a container."""

    specs: TrialSpecs
    evaluator: Executor

    @property
    def model(self) -> str:
        return self.specs.config.model_spec.name

    def prompt_digest(self) -> str:
        return prompt_digest(self_proposer.FILES)

    def write(self, tip: Candidate, number: int, brief: Brief, seed: int, check: Check) -> WrittenProposal:
        def run(instruction: str, files: Mapping[str, str], attempt_seed: int) -> SelfWorkResult:
            spec = self.specs.self_work(tip.commit, instruction, attempt_seed)
            return self.evaluator.run_self_work(SelfWork(spec, files, self_proposer.KEPT, proposal_key(number)))

        return self_improve(run, brief, seed, check)
