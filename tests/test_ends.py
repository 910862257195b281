from __future__ import annotations

from evolve.core.ends import Ends
from evolve.core.records import Decision, StackFate, Verdict


def ends_after(*decisions: Decision) -> list[tuple[int, int]]:
    """Champion and tip after each round, from round 0."""
    ends, found = Ends(), []
    for number, decision in enumerate(decisions):
        ends = ends.after(number, decision)
        found.append((ends.champion, ends.tip))
    return found


def decision(verdict: Verdict, fate: StackFate = StackFate.OPEN, back_to: int | None = None) -> Decision:
    return Decision(verdict, "", fate, back_to=back_to)


BASELINE, STACK, KEEP = (decision(verdict) for verdict in (Verdict.BASELINE, Verdict.STACK, Verdict.KEEP))
REVERT, REFUSED = decision(Verdict.REVERT), decision(Verdict.REFUSED)


def test_a_stacked_candidate_is_tip_and_a_kept_one_is_champion_too() -> None:
    assert ends_after(BASELINE, STACK, STACK, KEEP) == [(0, 0), (0, 1), (0, 2), (3, 3)]


def test_rounds_that_take_nothing_change_nothing() -> None:
    assert ends_after(BASELINE, STACK, REVERT, REFUSED) == [(0, 0), (0, 1), (0, 1), (0, 1)]


def test_a_stack_given_up_whole_makes_the_champion_the_tip() -> None:
    given_up = decision(Verdict.REVERT, StackFate.GIVEN_UP)
    assert ends_after(BASELINE, KEEP, STACK, STACK, given_up)[-1] == (1, 1)


def test_a_tip_may_give_way_to_an_earlier_candidate_of_its_stack() -> None:
    back = decision(Verdict.REVERT, StackFate.GIVEN_UP, back_to=1)
    assert ends_after(BASELINE, STACK, STACK, STACK, back) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 1)]


def test_a_reverted_round_may_promote_the_tip_or_what_it_goes_back_to() -> None:
    promoted = decision(Verdict.REVERT, StackFate.PROMOTED)
    assert ends_after(BASELINE, STACK, STACK, promoted)[-1] == (2, 2)
    back = decision(Verdict.REVERT, StackFate.PROMOTED, back_to=1)
    assert ends_after(BASELINE, STACK, STACK, back)[-1] == (1, 1)
