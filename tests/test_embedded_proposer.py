"""The proposer role: what it reads, what it answers, and that its idioms find their places in any order."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolve.embedded import complete
from evolve.embedded.idioms import IDIOMS
from evolve.embedded.proposer import ProposalRequest, _matching_groups, idiom_weights, read_request
from evolve.embedded.rewrite import MUTATORS, parse
from evolve.embedded.slots import read_code

ROOT = Path(__file__).parent.parent
NAMES = [idiom.name for idiom in IDIOMS]
BY_NAME = {idiom.name: idiom for idiom in IDIOMS}
TOOL = {
    "type": "function",
    "function": {"name": "propose", "parameters": {"type": "object", "properties": {}}},
}


def files_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".py", ".md", ".toml")
    }


SEED = files_of(ROOT / "scaffolds/single")
GOOD = files_of(ROOT / "tests/scaffolds/good")


def request(files: dict[str, str], seed: int = 0, digest: str = "", memory: str = "") -> dict[str, Any]:
    shown = "\n".join(f'<file path="{path}">\n{text}\n</file>' for path, text in files.items())
    words = f"{shown}\n<digest>\n{digest}\n</digest>\n<memory>\n{memory}\n</memory>"
    return {"messages": [{"role": "user", "content": words}], "tools": [TOOL], "seed": seed}


def proposal(files: dict[str, str], seed: int = 0, digest: str = "", memory: str = "") -> dict[str, Any]:
    message = complete(request(files, seed, digest, memory))["choices"][0]["message"]
    (call,) = message["tool_calls"]
    assert call["function"]["name"] == "propose"
    found: dict[str, Any] = json.loads(call["function"]["arguments"])
    return found | {"note": message["content"]}


def patched(files: dict[str, str], edits: list[dict[str, str]]) -> dict[str, str]:
    """Apply edits as the loop does: `old` must occur exactly once."""
    new = dict(files)
    for edit in edits:
        if edit["old"]:
            assert new[edit["path"]].count(edit["old"]) == 1
            new[edit["path"]] = new[edit["path"]].replace(edit["old"], edit["new"])
        else:
            new[edit["path"]] = edit["new"]
    return new


def assert_sound(files: dict[str, str]) -> None:
    for path, text in files.items():
        if path.endswith(".py"):
            compile(text, path, "exec")
        elif path.endswith(".toml"):
            tomllib.loads(text)


def first(files: dict[str, str], name: str, seed: int = 0) -> dict[str, str] | None:
    change = next(BY_NAME[name].find(read_code(files), Random(seed)), None)
    return None if change is None else {**files, **change}


def test_the_answer_depends_only_on_the_request() -> None:
    assert complete(request(SEED, 5)) == complete(request(SEED, 5))
    assert len({json.dumps(proposal(SEED, seed)) for seed in range(30)}) > 15


def test_the_brief_holds_files_digest_and_memory() -> None:
    files = {
        "scaffold.toml": "name = 1\n",
        "a.py": 'x = "<file path=\\"y\\">\\n</file>"\n',
        "p.md": "two\nlines\n",
    }
    brief = read_request(request(files, digest="5 of 9 failed", memory="round 1"))
    assert brief.files == {"a.py": files["a.py"], "p.md": files["p.md"]}
    assert "5 of 9 failed" in brief.digest
    assert "round 1" in brief.memory


def test_every_proposal_has_a_prediction() -> None:
    for seed in range(40):
        answer = proposal(SEED, seed)
        assert answer["hypothesis"].endswith(".")
        assert answer["prediction"].endswith(".")


@pytest.mark.slow
def test_kinds_of_proposals_have_their_shares() -> None:
    notes = Counter(str(proposal(SEED, seed)["note"]).split()[0] for seed in range(600))
    assert 0.50 < notes["idea"] / 600 < 0.70
    assert 0.25 < notes["mutation"] / 600 < 0.45
    assert 3 < notes["nothing"] < 45
    assert 3 < notes["slip"] < 45


def test_only_slips_leave_files_that_do_not_parse() -> None:
    for seed in range(100):
        answer = proposal(SEED, seed)
        new = patched(SEED, answer["edits"])
        if answer["note"] == "slip":
            with pytest.raises(SyntaxError):
                assert_sound(new)
        else:
            assert_sound(new)


@pytest.mark.parametrize(
    ("digest", "wanted"),
    [
        (
            "12 of 20 failed trials ended with context_length_exceeded: the conversation grew too long",
            "forget_history",
        ),
        (
            "9 of 20 failed trials ended after a malformed tool call, arguments that are not JSON",
            "retry_malformed",
        ),
        (
            "15 of 20 failed trials gave up after 14 steps with budget left (70 % of the calls unused)",
            "more_steps",
        ),
        ("8 of 20 failed trials submitted although the tests failed", "refuse_early_submit"),
        ("the same edit was repeated or tried again 31 times", "remember_tried"),
        ("the tests' output was cut before the exception in 20 of 20 runs", "tail_output"),
        ("edits were scattered over many lines, with no hint where the fault is", "rank_lines"),
        ("in 11 of 20 trials failed edits piled up: they were left in place, not reverted", "revert_failed"),
    ],
)
def test_a_finding_draws_the_idioms_that_answer_it(digest: str, wanted: str) -> None:
    found = idiom_weights(read_request(request(SEED, digest=digest)))
    assert sum(found.values()) == pytest.approx(1.0)
    assert sorted(found, key=found.__getitem__).index(wanted) >= len(found) - 3
    assert found[wanted] > 4 / len(found)


def test_without_a_digest_all_idioms_are_equally_likely() -> None:
    assert len({round(weight, 9) for weight in idiom_weights(read_request(request(SEED))).values()}) == 1


def test_ideas_tried_before_are_drawn_less_but_still_drawn() -> None:
    fresh = idiom_weights(read_request(request(SEED)))["retry_malformed"]
    memory = f"round 3: revert: {BY_NAME['retry_malformed'].hypothesis}"
    tried = idiom_weights(read_request(request(SEED, memory=memory)))["retry_malformed"]
    assert 0.2 * fresh < tried < 0.4 * fresh


@pytest.mark.parametrize("name", [name for name in NAMES if name != "revert_failed"])
def test_every_idiom_applies_to_the_seed(name: str) -> None:
    new = first(SEED, name)
    assert new is not None
    assert new != SEED
    assert_sound(new)


def test_revert_failed_applies_only_where_edits_are_not_reverted() -> None:
    tools = (
        "import evolve_door as door\n\n\ndef run_tests():\n    result = door.run('python3 -m unittest')\n"
        "    return result.stdout\n\n\ndef edit(path, old, new):\n    text = door.read(path)\n"
        "    door.write(path, text.replace(old, new))\n    return 'edited'\n"
    )
    new = first({"tools.py": tools}, "revert_failed")
    assert new is not None
    assert "    undo.keep(path)\n    door.write(" in new["tools.py"]
    assert "return undo.settle(result.exit_code == 0, result.stdout)" in new["tools.py"]
    assert first(new, "revert_failed") is None
    assert first(SEED, "revert_failed") is None


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 99)), max_size=12), st.booleans())
def test_idioms_in_any_order_and_place_leave_sound_files(drawn: list[tuple[str, int]], good: bool) -> None:
    files = GOOD if good else SEED
    for name, seed in drawn:
        found = list(BY_NAME[name].find(read_code(files), Random(seed)))
        if found:
            files = {**files, **found[seed % len(found)]}
            assert_sound(files)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_successive_proposals_can_be_applied(seed: int) -> None:
    files = SEED
    for step in range(6):
        answer = proposal(files, seed + step, digest="the same edit was repeated; the output was cut")
        if answer["note"] != "slip":
            files = patched(files, answer["edits"])
            assert_sound(files)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(path for path in SEED if path.endswith(".py"))), st.integers(0, 10**6))
def test_mutations_change_the_text_and_parse(path: str, seed: int) -> None:
    module = parse(path, SEED[path])
    assert module is not None
    change = MUTATORS[seed % len(MUTATORS)](module, Random(seed))
    if change and change.text != module.text:
        assert change.description
        compile(change.text, path, "exec")


def test_without_files_there_are_no_edits() -> None:
    assert all(proposal({}, seed)["edits"] == [] for seed in range(20))


def test_a_scaffold_that_does_not_parse_gets_an_answer() -> None:
    for seed in range(30):
        proposal({"main.py": "def (\n", "settings.toml": "steps = 5\n"}, seed)


def noted(*facts: str) -> dict[str, Any]:
    body = {
        "model": "embedded",
        "messages": [{"role": "user", "content": "<facts>\n" + "\n".join(facts) + "\n</facts>\n\neffect: forged"}],
        "tools": [{"type": "function", "function": {"name": "lesson", "parameters": {}}}],
    }
    arguments = complete(body)["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    made: dict[str, Any] = json.loads(arguments)
    return made


def test_a_lesson_states_the_facts() -> None:
    facts = ("tried: fewer words", "effect: worse (-3.0 points, standard error 1.0)")
    hits = "predicted to be fixed: 5 tasks, of which 1 went better"
    made = noted(*facts, hits)
    assert made["effect"] == "worse"
    assert made["lesson"] == "fewer words It did harm; leave it. Of 5 tasks that it was to fix, 1 went better."


def test_a_lesson_without_facts_claims_nothing() -> None:
    assert noted()["effect"] == "unclear"
    assert noted("effect: splendid")["effect"] == "unclear"


def test_a_prediction_names_a_group_of_the_digest() -> None:
    digest = "- G1: 9 of 9 failed trials ran out of time\n- G2: 8 of 9 failed trials repeated an edit tried before"
    brief = ProposalRequest({}, digest, "")
    idiom = next(one for one in IDIOMS if one.name == "refuse_repeat")
    assert _matching_groups(idiom, brief) == ("G2",)
    assert _matching_groups(idiom, ProposalRequest({}, "- nothing", "")) == ()
