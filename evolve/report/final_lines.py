"""What a run has come to, in words: its champion, the patches in it, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence

from evolve.report.tables import Row


def summary_lines(run: str, history: Sequence[Row], lineage: Sequence[Row], stacks: bool = True) -> list[str]:
    """From the views `history` and `lineage` of a run whose round 0 is decided; `stacks`: whether its rule does."""
    over = [row for row in history if row["verdict"]]
    verdicts = [row["verdict"] for row in over[1:]]
    champion, tip = over[-1]["champion_round"], _tip(over)
    depths = {row["round"]: row["depth"] for row in lineage}
    lines = [
        f"run {run}: {len(verdicts)} rounds, champion of round {champion} with {depths[champion]} patches; "
        f"{verdicts.count('revert')} reverted, {verdicts.count('refused')} refused"
    ]
    if stacks and tip != champion:
        lines.append(f"  {depths[tip] - depths[champion]} more stacked on it, not yet surely better")
    doubts = [row["doubt"] for row, before in zip(over[1:], over, strict=False) if _crowned(row, before)]
    if doubts:
        lines.append(f"  {len(doubts)} times a new champion; expected false ones among them: {sum(doubts):.2f}")
    return lines


def waste_lines(cost: Sequence[Row]) -> list[str]:
    """What was spent in vain, from the view `cost`: on calls that failed, and on work that was lost."""
    retries, seconds = sum(row["retries"] for row in cost), sum(row["lost_seconds"] for row in cost)
    lost = [row for row in cost if row["purpose"] == "lost"]
    lines = []
    if retries:
        lines.append(f"{retries} failed calls of the model's API were made again: {seconds:.0f} s lost")
    if lost:
        tokens = sum(row["prompt_tokens"] + row["completion_tokens"] for row in lost)
        usd = sum(row["cost_usd"] for row in lost)
        lines.append(f"lost when the run was cut off: {tokens / 1000:.0f}k tokens" + (f", ${usd:.2f}" if usd else ""))
    return lines


def _crowned(row: Row, before: Row) -> bool:
    return row["doubt"] is not None and row["champion_round"] != before["champion_round"]


def _tip(history: Sequence[Row]) -> int:
    """The round whose candidate the next round would patch."""
    tip = 0
    for row in history:
        if row["verdict"] in ("baseline", "keep", "stack"):
            tip = row["round"]
        if row["fate"] == "given_up":
            tip = row["champion_round"]
    return tip
