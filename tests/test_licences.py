"""Licences: what decides, what survives a user's own permission, where duties are shown, and what commits say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evolve.core.config import COMMERCIAL_USE, ModelTerms, RunConfig
from evolve.core.records import Candidate, FileEdit, Proposal
from evolve.loop.candidates import Candidates, licence_trailers
from evolve.models.licence import STRICTNESS, Licence, ranked
from evolve.models.profile import read_profiles
from evolve.repo import Lineage
from evolve.report.models import (
    about_model,
    commercial_lines,
    commercial_rows,
    licence_lines,
    licences_of_models,
    model_facts,
    model_rows,
)
from evolve.store import RoundRow

M27 = "MiniMaxAI/MiniMax-M2.7"
OWN = f"""
[vllm.models."{M27}".licence]
name = "our contract"
commercial = "allowed"
summary = "Signed in May."
duties = ["pay each month"]
"""


def licence(commercial: str, own: bool = False) -> Licence:
    return Licence.model_validate({"name": commercial, "commercial": commercial, "own": own, "source": "s"})


def own_terms(tmp_path: Path, text: str = OWN, model: str = M27) -> ModelTerms:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return read_profiles(path)["vllm"].terms(model)


@pytest.mark.parametrize("second", STRICTNESS)
@pytest.mark.parametrize("first", STRICTNESS)
def test_the_strictest_statement_decides_whatever_their_order(first: str, second: str) -> None:
    both = [licence(first), licence(second)]
    strictest = min(both, key=lambda one: STRICTNESS.index(one.commercial))
    assert ranked(both)[0].commercial == ranked(both[::-1])[0].commercial == strictest.commercial


def test_the_users_permission_decides_unless_it_is_unknown() -> None:
    assert ranked([licence("barred"), licence("allowed", own=True)])[0].commercial == "allowed"
    assert ranked([licence("barred"), licence("unknown", own=True)])[0].commercial == "barred"


def test_duties_and_prohibited_uses_survive_the_users_permission(tmp_path: Path) -> None:
    terms = own_terms(tmp_path)
    assert (terms.commercial, terms.licence, terms.summary) == ("allowed", "our contract", "Signed in May.")
    lines = "\n".join(licence_lines(terms))
    assert "pay each month (our contract)" in lines
    assert 'show "Built with MiniMax M2.7"' in lines and "(MiniMax-M2.7 Non-Commercial License)" in lines
    assert "prohibited: military use (MiniMax-M2.7 Non-Commercial License)" in lines
    packaged = terms.statements[1]
    assert packaged.source.startswith("https://huggingface.co/MiniMaxAI/MiniMax-M2.7") and packaged.as_of


def test_several_statements_of_the_user_are_all_kept(tmp_path: Path) -> None:
    text = OWN.replace(f'[vllm.models."{M27}".licence]', f'[[vllm.models."{M27}".licence]]')
    terms = own_terms(tmp_path, text + text.replace("our contract", "the annex"))
    assert [stated.licence for stated in terms.statements][:2] == ["our contract", "the annex"]
    assert len(terms.statements) == 3


def test_a_hosting_services_terms_and_the_weights_licence_are_both_recorded_with_dates() -> None:
    terms = read_profiles()["nvidia"].terms("openai/gpt-oss-120b")
    stated = {one.licence: one.commercial for one in terms.statements}
    assert stated == {"NVIDIA API Trial Terms of Service": "unknown", "Apache License 2.0 (weights)": "allowed"}
    assert terms.commercial == "unknown" and all(one.as_of for one in terms.statements)
    assert "also stated: Apache License 2.0 (weights); commercial use allowed" in "\n".join(licence_lines(terms))


@pytest.mark.parametrize("verdict", STRICTNESS)
def test_duties_are_printed_whatever_the_verdict(verdict: str) -> None:
    stated = {"licence": "L", "commercial": verdict, "duties": ["show it"], "prohibited": ["war"], "source": "s"}
    terms = ModelTerms.model_validate({"licence": "L", "commercial": verdict, "source": "s", "statements": [stated]})
    config = RunConfig(model="m", base_url="http://x/v1", terms=terms)
    assert about_model(config)[1:] == [
        f"licence: L; {COMMERCIAL_USE[terms.commercial]} (source: s)",
        "  duty: show it (L)",
        "  prohibited: war (L)",
    ]


def test_a_claim_shows_the_licences_of_all_models(tmp_path: Path) -> None:
    alone = RunConfig(model=M27, base_url="http://x/v1", terms=own_terms(tmp_path))
    assert licences_of_models(alone) == licence_lines(alone.terms)
    both = alone.model_copy(update={"proposed_by": alone.models[0].model_copy(update={"model": "other"})})
    lines = licences_of_models(both)
    assert [line for line in lines if "model " in line] == [f"  model {M27}:", "  model other:"]
    assert sum("military use" in line for line in lines) == 2
    assert licences_of_models(RunConfig()) == []


def test_a_run_from_before_duties_loads_and_prints_its_licence() -> None:
    stored = json.loads(RunConfig(model="m").canonical())
    stored["terms"] = {"licence": "L", "commercial": "conditions", "summary": "Show it.", "source": "s", "as_of": ""}
    terms = RunConfig.from_stored(json.dumps(stored)).terms
    assert terms.statements == () and licence_trailers(RunConfig(model="m", terms=terms)) == {}
    assert licence_lines(terms) == ["  licence: L; commercial use under conditions (source: s) Show it."]


def test_commits_name_the_licence_and_its_duties(tmp_path: Path) -> None:
    config = RunConfig(model=M27, base_url="http://x/v1", terms=own_terms(tmp_path))
    trailers = licence_trailers(config)
    expected = f"{M27}: our contract and MiniMax-M2.7 Non-Commercial License, commercial use allowed"
    assert trailers["Evolve-Model-Licence"] == expected
    assert trailers["Evolve-Model-Duties"].startswith('pay each month; show "Built with MiniMax M2.7"')
    assert trailers["Evolve-Model-Prohibited-Uses"] == "military use"
    assert licence_trailers(RunConfig.from_stored(config.canonical())) == trailers
    assert licence_trailers(RunConfig()) == {}


def test_a_resumed_run_makes_the_same_commit_with_its_licence(tmp_path: Path) -> None:
    scaffold, when = tmp_path / "scaffold", "2026-11-29T12:00:00+00:00"
    scaffold.mkdir()
    (scaffold / "main.py").write_text("print(1)\n")
    lineage = Lineage.open(scaffold, tmp_path / "lineage.git")
    parent = Candidate(lineage.seed("run", when), 0, None, "seed")
    proposal = Proposal("Say more", "", (FileEdit("main.py", "print(2)\n"),))
    config = RunConfig(model=M27, base_url="http://x/v1", terms=own_terms(tmp_path))
    commits = []
    for stored in (
        config,
        RunConfig.from_stored(config.canonical()),
        config.model_copy(update={"terms": ModelTerms()}),
    ):
        candidates = Candidates("run", lineage, tmp_path, "base", M27, licence_trailers(stored))
        row = RoundRow(1, parent, when, None, None, None, 1)
        commits.append(str(candidates.commit(row, parent, proposal)))
    assert commits[0] == commits[1] != commits[2]
    assert {"Evolve-Round": "1", **licence_trailers(config)}.items() <= lineage.trailers(commits[0]).items()
    assert not any(key.startswith("Evolve-Model") for key in lineage.trailers(commits[2]))


def test_terms_are_no_part_of_what_makes_two_runs_the_same(tmp_path: Path) -> None:
    config = RunConfig(model=M27, base_url="http://x/v1", terms=own_terms(tmp_path))
    assert RunConfig(model=M27, base_url="http://x/v1").differences(config.canonical()) == []


def test_only_models_that_may_be_used_commercially_are_listed() -> None:
    rows = commercial_rows(model_rows(read_profiles(), {}))
    names = {row["model"] for row in rows}
    assert {"ollama/gpt-oss:20b", "vllm/deepseek-ai/DeepSeek-R1", "openai/gpt-5-mini"} <= names
    assert not names & {f"vllm/{M27}", "minimax/MiniMax-M2.7", "nvidia/openai/gpt-oss-120b"}
    lines = commercial_lines(rows)
    start = lines.index("MIT License: commercial use allowed")
    assert lines[start + 1 : start + 5] == [
        "  sglang/deepseek-ai/DeepSeek-R1",
        "  tgi/deepseek-ai/DeepSeek-R1",
        "  vllm/deepseek-ai/DeepSeek-R1",
        "    duty: keep the copyright and permission notice in copies",
    ]


def test_one_model_is_shown_with_all_statements() -> None:
    shown = model_facts("nvidia/minimaxai/minimax-m2.7", read_profiles(), {})
    assert shown["licence"] == "MiniMax-M2.7 Non-Commercial License (weights): commercial use barred"
    assert "NVIDIA API Trial Terms" in shown["licence_3"] and "2026-06-04" in shown["licence_3"]
    assert "Built with MiniMax M2.7" in shown["duties"] and shown["prohibited"].startswith("military use")
