"""Summarise a run at its end: the champion, its patches, how certain it is, and wasted spending."""

from __future__ import annotations

from collections.abc import Sequence

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
