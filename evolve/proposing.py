"""Where the patches of a race come from: merges and ablations of the loop's own; the model is asked for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed

from evolve import ablate, analyse, merge, propose
from evolve.campaign import Campaign, now, train_trajectories
from evolve.gate import Standing
from evolve.records import Candidate, Proposal, stable_hash
from evolve.store import RoundRow

MEMORY_ROUNDS = 40


def proposals(campaign: Campaign, standing: Standing, rows: Sequence[RoundRow]) -> list[Proposal]:
    """One for each row, of patches of the tip; each is stored before it is used.

    Raises InfraError where the endpoint fails: what it had answered by then is stored.
    """
    known = {row.number: row.proposal for row in rows if row.proposal}
    merges = _merges(campaign, standing, rows)
    for number in (row.number for row in rows if not row.proposal):
        own = next(merges, None) or _ablation(campaign, number, standing.tip)
        if own is not None:
            campaign.store.add_proposal(campaign.run, number, own, "", "", now())
            known[number] = own
    known |= _asked(campaign, standing.tip, [row.number for row in rows if row.number not in known])
    return [known[row.number] for row in rows]


def _merges(campaign: Campaign, standing: Standing, rows: Sequence[RoundRow]) -> Iterator[Proposal]:
    done = {row.proposal.merges for row in rows if row.proposal}
    for other in standing.to_merge(rows[0].number):
        if other.round not in done and (made := merge.proposal(campaign, standing.tip, other)):
            yield made


def _ablation(campaign: Campaign, number: int, tip: Candidate) -> Proposal | None:
    return ablate.proposal(campaign, tip) if ablate.due(number, campaign.config.gate) else None


def _asked(campaign: Campaign, tip: Candidate, numbers: Sequence[int]) -> Mapping[int, Proposal]:
    """What the model proposes, from the tip's train trajectories."""
    if not numbers:
        return {}
    spec, digest, brief = campaign.config.model_spec, propose.prompt_digest(), _brief(campaign, tip)

    def ask(number: int) -> Proposal:
        seed = stable_hash(campaign.config.seed, "propose", number)
        return propose.direct(campaign.model, spec, brief, seed)

    answers = {}
    for number, proposal in _answers(ask, numbers):
        campaign.store.add_proposal(campaign.run, number, proposal, digest, spec.name, now())
        answers[number] = proposal
    return answers


def _answers(ask: Callable[[int], Proposal], numbers: Sequence[int]) -> Iterator[tuple[int, Proposal]]:
    """As they come; then raises what one of them raised. A single one is asked right here: an interrupt ends it."""
    if len(numbers) == 1:
        yield numbers[0], ask(numbers[0])
        return
    with ThreadPoolExecutor(len(numbers)) as pool:
        asked = {pool.submit(ask, number): number for number in numbers}
        yield from ((asked[done], done.result()) for done in as_completed(asked) if done.exception() is None)
    for done in asked:
        done.result()


def _brief(campaign: Campaign, tip: Candidate) -> propose.Brief:
    seen = train_trajectories(campaign, tip.commit)
    return propose.Brief(
        files=campaign.text_files(tip.commit),
        evolvable=campaign.evolvable(tip.commit),
        digest=analyse.digest(seen, campaign.config.limits.calls),
        memory=memory(campaign.store.rounds(campaign.run)),
    )


def memory(rows: Sequence[RoundRow]) -> list[str]:
    """One line for each earlier round that is over."""
    past = [row for row in rows if row.number and row.decision and row.proposal][-MEMORY_ROUNDS:]
    return [
        f"round {row.number} {row.decision.verdict}: {row.proposal.hypothesis} ({row.decision.reason})"
        for row in past
        if row.decision and row.proposal
    ]
