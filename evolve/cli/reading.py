"""Commands that show what there is, and run no trial."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from evolve.cli.options import (
    RUNS,
    SUITE,
    Json_,
    Models_,
    Run_,
    Runs_,
    Suite_,
    app,
    embedded_app,
    tasks_app,
)
from evolve.cli.requests import opened, run_row
from evolve.core.errors import BadInput
from evolve.core.records import VerifierMode
from evolve.embedded import server
from evolve.gate.claim import claim
from evolve.models.profile import read_profiles
from evolve.report.claims import claim_lines
from evolve.report.escaping import plain
from evolve.report.live import Live
from evolve.report.models import licence_lines, model_facts, model_lines, model_rows
from evolve.report.predictions import prediction_lines
from evolve.report.tables import show
from evolve.report.transcripts import message_text
from evolve.runs.identity import stored_config
from evolve.runs.repository import lineage_of
from evolve.sandbox import engine, images
from evolve.suite.tasks import load_suite
from evolve.trial import trajectory


@app.command("history")
def history_command(run: Run_ = None, runs: Runs_ = RUNS, as_json: Json_ = False) -> None:
    """The rounds of a run: scores, decisions, hypotheses."""
    columns = (
        "round",
        "verdict",
        "champion",
        "train",
        "validation",
        "trials",
        "fixed",
        "hypothesis",
        "reason",
    )
    with opened(runs) as store:
        name = run_row(store, run).id
        history, rounds, trials = store.view("history", name), store.rounds(name), store.trials(name)
    if as_json:
        show(history, True)
        return
    show([_shown(row) for row in history], False, columns)
    print("\n".join(prediction_lines(history, rounds, trials)))


def _shown(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A round for people. fixed: tasks that went better, of those that the proposal said it would fix."""
    scores = {name: row[f"{name}_score"] for name in ("train", "validation")}
    shares = {name: None if score is None else f"{100 * score:.1f} %" for name, score in scores.items()}
    told = f"{row['fixed']}/{row['predicted']}" if row["predicted"] and row["commit_sha"] else None
    return {**row, **shares, "champion": row["champion_round"], "fixed": told}


@app.command("show")
def show_command(number: int, run: Run_ = None, runs: Runs_ = RUNS, as_json: Json_ = False) -> None:
    """One round: its proposal, its decision, its trials."""
    with opened(runs) as store:
        row = run_row(store, run)
        history = [r for r in store.view("history", row.id) if r["round"] == number]
        if not history:
            raise BadInput(f"round {number}", f"run {row.id} has no such round", "see `evolve history`")
        proposal = next(r.proposal for r in store.rounds(row.id) if r.number == number)
        trials = [r for r in store.view("trials", row.id) if r["round"] == number]
        lessons = [lesson.text for lesson in store.lessons(row.id) if lesson.round == number]
    said = ("prediction", "ablates", "merges")
    facts = {**history[0], **{name: proposal and getattr(proposal, name) for name in said}}
    facts["lesson"] = lessons[0] if lessons else None
    if as_json:
        show([{**facts, "trials": trials}], True)
        return
    show([{"fact": key, "value": value} for key, value in facts.items() if value is not None], False)
    columns = ["task", "split", "attempt", "outcome", "reward", "seconds", "calls", "commands"]
    columns += ["cause"] if any(trial["cause"] for trial in trials) else []
    columns += ["verifier"] if any(trial["verifier"] == VerifierMode.LIVE for trial in trials) else []
    show(trials, False, columns)


@app.command("transcript")
def transcript_command(number: int, run: Run_ = None, runs: Runs_ = RUNS, as_json: Json_ = False) -> None:
    """The conversation that a round's proposal came from: what the model was shown, looked up and answered."""
    with opened(runs) as store:
        row = run_row(store, run)
        made = [r.proposal.transcript for r in store.rounds(row.id) if r.number == number and r.proposal]
    if not made or made[0] is None:
        raise BadInput(f"round {number}", f"run {row.id} has no conversation of it", "see `evolve history`")
    messages = trajectory.load(runs / made[0].path)
    print(json.dumps(messages, indent=2) if as_json else plain("\n\n".join(map(message_text, messages)), lines=True))


@app.command("lineage")
def lineage_command(run: Run_ = None, runs: Runs_ = RUNS, as_json: Json_ = False) -> None:
    """Who descends from whom."""
    with opened(runs) as store:
        columns = ("round", "depth", "verdict", "parent_round", "commit_sha", "branch")
        show(store.view("lineage", run_row(store, run).id), as_json, columns)


@app.command("claim")
def claim_command(
    run: Annotated[str | None, typer.Argument(help="Run id; default: the newest.")] = None,
    runs: Runs_ = RUNS,
    as_json: Json_ = False,
) -> None:
    """What a run may claim: seed scaffold against champion on the holdout, one paired test. No new trials."""
    with opened(runs) as store:
        row = run_row(store, run)
        candidates = store.candidates(row.id)
        champion = store.champion(row.id) if candidates else None
        pair = [store.trials(row.id, c.commit) for c in (candidates[0], champion)] if champion else [[], []]
        looks = store.holdout_looks(row.id)
    if champion is not None and champion.round == 0:
        raise BadInput(f"run {row.id}", "the champion is still the seed scaffold", "go on with the run")
    made = claim(*pair)
    if made is None:
        raise BadInput(
            f"run {row.id}", "seed and champion were not both measured on two holdout tasks", "let the run end first"
        )
    terms = stored_config(row).terms
    if as_json:
        facts = {"run": row.id, "model": row.model, "terms": terms.model_dump()}
        show([{**facts, **asdict(made), "looks": [asdict(look) for look in looks]}], True)
        return
    print("\n".join([*claim_lines(row.id, row.model, made, looks), *licence_lines(terms)]))


@app.command("diff")
def diff_command(number: int, run: Run_ = None, runs: Runs_ = RUNS) -> None:
    """What a round changed in the scaffold; control characters are shown as escapes, `git diff` has the bytes."""
    with opened(runs) as store:
        row = run_row(store, run)
        found = [c for c in store.candidates(row.id) if c.round == number]
        if not found:
            raise BadInput(f"round {number}", f"run {row.id} has no candidate of it", "see `evolve history`")
        parent = found[0].parent
    if parent is not None:
        lineage = lineage_of(row, runs)
        print(plain(lineage.diff(parent, found[0].commit), lines=True), end="")


@tasks_app.command("list")
def tasks_list(suite: Suite_ = SUITE, as_json: Json_ = False) -> None:
    """The tasks with their splits and difficulty."""
    rows = [{"task": t.name, "split": str(t.split), "difficulty": t.difficulty} for t in load_suite(suite).tasks]
    show(rows, as_json)


@app.command("models")
def models_command(
    name: Annotated[str | None, typer.Argument(help="A profile, or PROFILE/MODEL: all about it.")] = None,
    models: Models_ = None,
    as_json: Json_ = False,
) -> None:
    """Models that are known, by who serves them: context, prices in dollars per million tokens, licences, keys."""
    profiles = read_profiles(models)
    if name is None:
        rows = model_rows(profiles, os.environ)
        show(rows, True) if as_json else print("\n".join(model_lines(rows)))
        return
    about = model_facts(name, profiles, os.environ)
    show([about] if as_json else [{"fact": key, "value": value} for key, value in about.items()], as_json)


@app.command("setup")
def setup_command() -> None:
    """Bring up what runs and tests need: a container engine and the base image."""
    with Live(priced=False) as view:
        engine.bring_up(view.say)
        view.say(f"container engine and base image ({images.base_image(view.say)}) are ready")


@embedded_app.command("serve")
def embedded_serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port.")] = 8123,
) -> None:
    """Serve the embedded model over HTTP, as an OpenAI-compatible endpoint."""
    server.serve(host, port)
