"""Where the patches of a race come from: merges and ablations of the loop's own; the model is asked for the rest."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from evolve import analysis
from evolve.budget.run_budget import proposal_key
from evolve.core.clock import now
from evolve.core.records import Candidate, ModelSpec, Proposal, stable_hash
from evolve.gate import Standing
from evolve.loop import ablate, checks, merge, propose, recall
from evolve.loop.campaign import Campaign, train_trajectories
from evolve.loop.propose import self_proposer
from evolve.store import RoundRow
from evolve.trial import trajectory
from evolve.trial.self_work import SelfWork, SelfWorkResult


def proposals(campaign: Campaign, standing: Standing, rows: Sequence[RoundRow]) -> list[Proposal]:
    """One for each row, of patches of the tip; each is stored before it is used.

    Raises InfraError where the endpoint fails: what it had answered by then is stored.
    """
    known = {row.number: row.proposal for row in rows if row.proposal}
    merges = _merges(campaign, standing, rows)
    for row in (row for row in rows if not row.proposal):
        own = next(merges, None) or _ablation(campaign, row.number, standing.tip)
        if own is not None:
            own = replace(own, note=checks.problem(campaign, standing.tip, row, own) or "")
            campaign.store.add_proposal(campaign.run, row.number, own, "", "", now())
            known[row.number] = own
    known |= _asked(campaign, standing.tip, [row for row in rows if row.number not in known])
    return [known[row.number] for row in rows]


def _merges(campaign: Campaign, standing: Standing, rows: Sequence[RoundRow]) -> Iterator[Proposal]:
    done = {row.proposal.merges for row in rows if row.proposal}
    for other in standing.to_merge(rows[0].number):
        if other.round not in done and (made := merge.proposal(campaign, standing.tip, other)):
            yield made


def _ablation(campaign: Campaign, number: int, tip: Candidate) -> Proposal | None:
    return ablate.proposal(campaign, tip) if ablate.due(number, campaign.config.gate) else None


def _asked(campaign: Campaign, tip: Candidate, rows: Sequence[RoundRow]) -> Mapping[int, Proposal]:
    """What the model proposes, from the tip's train trajectories and what was learned."""
    if not rows:
        return {}
    brief = _brief(campaign, tip)
    spec, digest = _prompted(campaign)
    one_at_a_time = threading.Lock()

    def ask(row: RoundRow) -> Proposal:
        def check(proposal: Proposal) -> str | None:
            with one_at_a_time:
                return checks.problem(campaign, tip, row, proposal)

        seed = stable_hash(campaign.config.seed, "propose", row.number)
        told = replace(brief, emphasis=_emphasis(row, rows))
        return _kept(campaign, row, _proposer(campaign, tip, row)(told, seed, check))

    answers = {}
    for number, proposal in _answers(ask, rows):
        campaign.store.add_proposal(campaign.run, number, proposal, digest, spec.name, now())
        campaign.budget.book(proposal_key(number), proposal.usage)
        answers[number] = proposal
    return answers


def _prompted(campaign: Campaign) -> tuple[ModelSpec, str]:
    """The model that the run's proposer asks, and the digest of its prompts."""
    if campaign.config.proposer == "direct":
        return campaign.config.proposer_spec, propose.prompt_digest()
    return campaign.config.model_spec, propose.prompt_digest(self_proposer.FILES)


def _proposer(campaign: Campaign, tip: Candidate, row: RoundRow) -> propose.Proposer:
    """The run's, for one round; what it spends is booked under the round's name."""
    what = proposal_key(row.number)
    if campaign.config.proposer == "direct":
        return functools.partial(propose.direct, campaign.asked(what), campaign.config.proposer_spec)

    def run(instruction: str, files: Mapping[str, str], seed: int) -> SelfWorkResult:
        spec = campaign.self_spec(tip.commit, instruction, seed)
        return campaign.evaluator.run_self_work(SelfWork(spec, files, self_proposer.KEPT, what))

    return functools.partial(propose.self_improve, run)


def _kept(campaign: Campaign, row: RoundRow, made: propose.Made) -> Proposal:
    """The proposal, with its conversation in a file."""
    path = campaign.folder / "proposals" / f"round-{row.number:04}.jsonl.gz"
    return replace(made.proposal, transcript=trajectory.store(path, campaign.folder.parent, made.messages))


def _emphasis(row: RoundRow, rows: Sequence[RoundRow]) -> str:
    """Of several proposals that are asked at once, each looks elsewhere."""
    if len(rows) == 1:
        return ""
    known = propose.emphases()
    return known[row.number % len(known)]


def _answers(ask: Callable[[RoundRow], Proposal], rows: Sequence[RoundRow]) -> Iterator[tuple[int, Proposal]]:
    """As they come; then raises what one of them raised. A single one is asked right here: an interrupt ends it."""
    if len(rows) == 1:
        yield rows[0].number, ask(rows[0])
        return
    with ThreadPoolExecutor(len(rows)) as pool:
        asked = {pool.submit(ask, row): row.number for row in rows}
        yield from ((asked[done], done.result()) for done in as_completed(asked) if done.exception() is None)
    for done in asked:
        done.result()


def _brief(campaign: Campaign, tip: Candidate) -> propose.Brief:
    names = recall.train_labels(campaign)
    read = analysis.analyse_trials(train_trajectories(campaign, tip.commit), names)
    groups = analysis.groups(read, campaign.config.limits.calls)
    tasks = {label: name for name, label in names.items()}
    meanings = {group.id: [tasks[label] for label in group.tasks] for group in groups}
    learned = recall.learn(campaign)
    latest = next((facts.change for facts in learned if facts.round == tip.round), analysis.TaskChanges())
    return propose.Brief(
        files=campaign.text_files(tip.commit),
        evolvable=campaign.evolvable(tip.commit),
        digest=analysis.digest(analysis.Subject(read, groups, latest)),
        memory=analysis.format_memory(learned, campaign.store.lessons(campaign.run)),
        shelf=analysis.Shelf(read),
        meanings={**meanings, **{label: [name] for label, name in tasks.items()}},
    )
