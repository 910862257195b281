"""Summarise a run at its end: the champion, its patches, how certain it is, and wasted spending."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.core.scores import INTERVAL_ERRORS
from evolve.loop.propose.answer import ENDPOINT_REFUSED
from evolve.report.lineage_graph import tip_round
from evolve.report.tables import Row


def summary_lines(
    run: str, history: Sequence[Row], lineage: Sequence[Row], stacks: bool = True, copies: int = 0
) -> list[str]:
    """Summarise a run whose round 0 is decided.

    Args:
        history: the rows of the view `history`; lineage: those of the view `lineage`;
        stacks: whether the run's rule stacks patches; copies: how many rounds judged a null copy, which is no patch.
    """
    decided = [row for row in history if row["verdict"]]
    verdicts = [row["verdict"] for row in decided[1:]]
    champion, tip = decided[-1]["champion_round"], tip_round(decided)
    depths = {row["round"]: row["depth"] for row in lineage}
    lines = [
        f"run {run}: {len(verdicts)} rounds, champion of round {champion} with {depths[champion]} patches; "
        f"{verdicts.count('revert') - copies} reverted, {verdicts.count('refused')} refused"
    ]
    by_endpoint = sum(row["verdict"] == "refused" and row["reason"].startswith(ENDPOINT_REFUSED) for row in decided)
    if by_endpoint:
        lines.append(f"  requests for proposals that the model's API refused: {by_endpoint}; see `evolve history`")
    if stacks and tip != champion:
        lines.append(f"  patches stacked on it, not yet proven better: {depths[tip] - depths[champion]}")
    doubts = [row["doubt"] for row, before in zip(decided[1:], decided, strict=False) if _is_new_champion(row, before)]
    if doubts:
        lines.append(f"  new champions: {len(doubts)}; expected number of false ones: {sum(doubts):.2f}")
    return lines


def certainty_lines(
    run: str, history: Sequence[Row], risk: float, tip: Sequence[str] = (), stacks: bool = True, played: int = 0
) -> list[str]:
    """What is certain at the end of a run and what is not, the report, and the next command.

    Args:
        history: The rows of the view `history`.
        risk: The probability of harm up to which a stack becomes champion.
        tip: The lines on the tip, if it is not the champion.
        stacks: Whether the run's rule stacks patches.
        played: The number of rounds that the run has.
    """
    decided = [row for row in history if row["verdict"]]
    champion, kept = decided[-1]["champion_round"], decided[-1]["champion_round"] > 0
    more = f"evolve run --run {run} --rounds {2 * max(played, len(decided) - 1, 1)}"
    lines = [f"certain: {_certain(decided, champion, stacks)}"]
    if tip:
        held = (
            f" (doubt {100 * decided[-1]['doubt']:.0f} %, at most {100 * risk:g} % is allowed)"
            if _doubts(decided)
            else ""
        )
        lines += [f"not certain: the gain of the tip, which is held back until it is proven{held}", *tip]
    elif not kept:
        lines.append(f"learned: {_why_nothing(decided[1:])}; more rounds may find a better patch")
    lines.append(f"report: evolve report {run}")
    lines.append(f"next: {f'evolve adopt {run}' if kept else more}")
    return lines


def _doubts(decided: Sequence[Row]) -> bool:
    return decided[-1]["doubt"] is not None and decided[-1]["fate"] == "open"


def _certain(decided: Sequence[Row], champion: int, stacks: bool) -> str:
    if not champion:
        return "no patch is proven better than the seed scaffold"
    if not stacks:
        return f"the champion is of round {champion}; this run's rule proves nothing"
    crowned = [row for row, before in zip(decided[1:], decided, strict=False) if _is_new_champion(row, before)]
    doubt = f", doubt {100 * crowned[-1]['doubt']:.1f} %" if crowned else ""
    return f"the champion of round {champion} is better than what it replaced{doubt}"


def _why_nothing(rounds: Sequence[Row]) -> str:
    """Why no patch was built upon, with the best of those that were measured."""
    measured = [row for row in rounds if row.get("effect") is not None]
    if not rounds:
        return "no round was played"
    if not measured:
        return "no patch could be measured: all were refused, see `evolve history`"
    best = max(measured, key=lambda row: float(row["effect"]))
    figures = f"{100 * best['effect']:+.1f} ± {100 * INTERVAL_ERRORS * best['error']:.1f} points"
    against = "" if best.get("parent_round") is None else f" against round {best['parent_round']}"
    return (
        f"none of {len(measured)} measured patches helped; the best, of round {best['round']}, had {figures}{against}"
    )


def waste_lines(cost: Sequence[Row]) -> list[str]:
    """Report wasted spending from the view `cost`: failed calls, and work lost when the run was interrupted."""
    retries, seconds = sum(row["retries"] for row in cost), sum(row["lost_seconds"] for row in cost)
    lost = [row for row in cost if row["purpose"] == "lost"]
    lines = []
    if retries:
        lines.append(f"{retries} failed calls of the model's API were retried: {seconds:.0f} s lost")
    if lost:
        tokens = sum(row["prompt_tokens"] + row["completion_tokens"] for row in lost)
        usd = sum(row["cost_usd"] for row in lost)
        lines.append(
            f"lost when the run was interrupted: {tokens / 1000:.0f}k tokens" + (f", ${usd:.2f}" if usd else "")
        )
    return lines


def _is_new_champion(row: Row, before: Row) -> bool:
    return row["doubt"] is not None and row["champion_round"] != before["champion_round"]
