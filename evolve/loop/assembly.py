"""Putting a search together from what a run opens: the one place that knows all collaborators."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path

from evolve.budget.run_budget import Budget
from evolve.core.config import RunConfig
from evolve.core.records import TaskImage
from evolve.executor.patience import Patience, PatientModel
from evolve.executor.protocol import Executor
from evolve.gate import begin_rule
from evolve.gate.ruling import RuleMaker
from evolve.guard import Vocabulary
from evolve.guard.excluded import HiddenFiles
from evolve.host import disk
from evolve.host.circuit_breaker import Policy
from evolve.host.signals import Stop
from evolve.llm import ChatModel
from evolve.loop import history
from evolve.loop.ablate import AblationProposer
from evolve.loop.briefing import Briefing
from evolve.loop.candidates import Candidates, FindImage, licence_trailers
from evolve.loop.checkpoint import Checkpoint
from evolve.loop.checks import Checks
from evolve.loop.drift import DRIFT_TRIALS, Drift
from evolve.loop.events import tell_wait
from evolve.loop.history import History
from evolve.loop.journal import Journal
from evolve.loop.lessons import Lessons
from evolve.loop.measuring import Measurer
from evolve.loop.merge import MergeProposer
from evolve.loop.null_copies import NullCopyProposer
from evolve.loop.proposer import Proposer
from evolve.loop.proposing import ModelProposer
from evolve.loop.scoring import Scorer
from evolve.loop.search import Search
from evolve.loop.seed_check import SeedCheck
from evolve.loop.smoke import SmokeTest
from evolve.loop.trial_specs import TrialSpecs
from evolve.loop.tried import TriedIdeas
from evolve.loop.watcher import Watcher
from evolve.loop.writers import DirectWriter, PluginWriter, SelfWriter, Writer
from evolve.repo import Lineage
from evolve.store import Store
from evolve.suite.tasks import Suite


def assemble(
    *,
    run: str,
    config: RunConfig,
    suite: Suite,
    store: Store,
    lineage: Lineage,
    evaluator: Executor,
    model_for: Callable[[str], ChatModel],
    budget: Budget,
    images: Mapping[str, TaskImage],
    base_image: str,
    folder: Path,
    watcher: Watcher,
    vocabulary: Callable[[], Vocabulary] = Vocabulary,
    hidden: HiddenFiles | None = None,
    find_image: FindImage | None = None,
    outside: tuple[str, ...] = (),
    stop: Stop | None = None,
    least_room: int = disk.MIN_FREE_BYTES,
    proposer: Proposer | None = None,
    begin: RuleMaker = begin_rule,
    policy: Policy | None = None,
) -> Search:
    """Put a run's search together.

    Args:
        run: The run's name.
        config: The run's config.
        suite: Its tasks, without those that are excluded.
        store: The database.
        lineage: The repository of its candidates.
        evaluator: Runs trials.
        model_for: The model that proposes, for work of this name in the ledger.
        budget: What the run may spend.
        images: By the name of the task.
        base_image: For scaffolds that name no image.
        folder: The run's own under the runs folder.
        watcher: Shows the progress.
        vocabulary: Makes the words of single tasks, which no patch may hold, when they are needed.
        hidden: The files of the suite that no scaffold may hold.
        find_image: Finds or builds a scaffold's own image; None: images are used by their names.
        outside: Paths in the scaffold's folder that don't belong to it: those of the suite and the results.
        stop: Whether the user has asked for the end.
        least_room: Bytes that must be free on the disk where a round or trials are to start.
        proposer: The plug-in that the config names as its proposer, if it does.
        begin: Makes the gate's rule.
        policy: How long the calls for proposals and lessons wait for an endpoint that fails; None: as trials do.
    """
    stop = stop or Stop()
    patience = Patience(policy or Policy(), watcher.say, stop, functools.partial(tell_wait, watcher))

    def patient(what: str) -> ChatModel:
        return PatientModel(model_for(what), patience)

    author = _author(config, proposer)
    candidates = Candidates(
        run, lineage, folder, base_image, author, licence_trailers(config), hidden or HiddenFiles(), find_image, outside
    )
    specs = TrialSpecs(run, config, suite, images, candidates)
    labels = history.train_labels(suite)
    past = History(run, store, labels)
    tokens = config.limits.max_tokens
    lessons = Lessons(past, lineage, patient, config.proposer_spec, config.seed, budget, folder, tokens)
    smoke = SmokeTest(specs, evaluator, folder / "smoke")
    tried = TriedIdeas(run, store, candidates.texts)
    checks = Checks(candidates, tried, vocabulary, config.limits.for_task(), smoke)
    disks = (folder, lineage.git_dir)
    drift = Drift(store.latest_conditions(run, DRIFT_TRIALS))
    measurer = Measurer(run, store, specs, evaluator, budget, stop, watcher, disks, drift, least_room)
    briefing = Briefing(store, candidates, past, lessons, labels, config.limits.for_task(), config.model_spec)
    writer = _writer(config, proposer, patient, specs, evaluator)
    return Search(
        config=config,
        suite=suite,
        candidates=candidates,
        journal=Journal(run, store, lineage, budget, watcher),
        proposers=(
            NullCopyProposer(config.gate, config.seed),
            MergeProposer(run, store, lineage, checks),
            AblationProposer(config.gate, past, lineage, checks),
            ModelProposer(briefing, writer, checks, config.seed, folder),
        ),
        checks=checks,
        measurer=measurer,
        scorer=Scorer(run, config, suite, store, measurer),
        lessons=lessons,
        seed_check=SeedCheck(smoke, measurer, folder.parent),
        watcher=watcher,
        checkpoint=Checkpoint(run, store, folder, candidates.texts),
        begin=begin,
    )


def _author(config: RunConfig, proposer: Proposer | None) -> str:
    """Whose name the commits have."""
    return config.proposer if proposer else config.proposer_spec.name


def _writer(
    config: RunConfig,
    proposer: Proposer | None,
    model_for: Callable[[str], ChatModel],
    specs: TrialSpecs,
    evaluator: Executor,
) -> Writer:
    if proposer is not None:
        return PluginWriter(config.proposer, proposer)
    if config.proposer == "direct":
        return DirectWriter(model_for, config.proposer_spec, config.limits.max_tokens)
    return SelfWriter(specs, evaluator)
