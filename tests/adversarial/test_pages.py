"""The pages in the browser against other sites, other people and what a sandbox wrote: each attack has its hole."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from evolve.core.records import StoredFile
from evolve.pages import environment
from evolve.trial import trajectory
from evolve.web import control_pages, security, site, trial_pages
from evolve.web.address import Address
from evolve.web.security import HEADERS, Keys
from tests.paged import RUN, Paged, store_paged
from tests.webbed import BASE, KEYS, client

SECRET = "what nobody else may see"
SCRIPT = "<script>steal()</script>"
KEY = "lab-0123456789abcdef"
Hole = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Attack:
    """What an attacker tries on the results in a folder; -> whether it works. hole: what lets it through."""

    name: str
    hole: Hole
    works: Callable[[Path], bool]


def _any_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Address, "allows", lambda address, header: True)


def rebinding(runs: Path) -> bool:
    """The name of the attacker's site leads here, so its script may read the answers."""
    answer = client(runs).get("/", headers={"host": "evil.invalid:8125"})
    return RUN in answer.text


def _any_origin(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(security, "is_same_origin", lambda headers, host: True)


def forged_form(runs: Path) -> bool:
    """A page of another site, which has learned the form's token, sends the form."""
    headers = {"origin": "http://evil.invalid", "sec-fetch-site": "cross-site"}
    return _resumes(client(runs), headers, KEYS.form)


def _any_form_token(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(control_pages, "same", lambda given, wanted: True)


def guessed_form(runs: Path) -> bool:
    """Another program of this machine's browser sends the form with the right origin, without its token."""
    return _resumes(client(runs), {"origin": BASE}, "guessed")


def _resumes(pages: TestClient, headers: dict[str, str], token: str) -> bool:
    """Whether the run's action is reached: a run that can't be stopped says so."""
    answer = pages.post(f"/runs/{RUN}/control/stop", data={"form_token": token}, headers=headers)
    return answer.status_code == 409


def _any_session(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(security.Guard, "_has_session", lambda guard, headers: True)


def stranger(runs: Path) -> bool:
    """Somebody on the network opens the address without the token."""
    keys = Keys("token", "session", "form", "cookie")
    return RUN in client(runs, keys, Address("0.0.0.0")).get("/").text


def _no_escaping(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(environment, "inert", lambda value, most=0: environment.Markup(value))


def script_in_a_hypothesis(runs: Path) -> bool:
    """A model writes a script into its hypothesis."""
    return SCRIPT in client(runs).get(f"/runs/{RUN}/rounds/1").text


def _any_headers(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(HEADERS, "content-security-policy", "default-src * 'unsafe-inline'")


def script_that_runs(runs: Path) -> bool:
    """A script that reached a page all the same would run."""
    return "unsafe-inline" in client(runs).get("/").headers["content-security-policy"]


def _any_path(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trial_pages, "_is_within", lambda path, folder: True)


def file_outside(runs: Path) -> bool:
    """A row names a file outside the results."""
    trajectory.store(runs.parent / "secret.gz", runs.parent, [{"secret": SECRET}])
    document, _ = trial_pages.load_document(runs, StoredFile("../secret.gz", "0" * 64))
    return SECRET in json.dumps(document)


def _no_redaction(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(site, "redacted", lambda value, redactor: value)


def key_in_a_hypothesis(runs: Path) -> bool:
    """A model writes a key into its hypothesis, which it may have from an error of its endpoint."""
    return KEY in client(runs).get(f"/runs/{RUN}/rounds/1").text


ATTACKS = [
    Attack("rebinding", _any_name, rebinding),
    Attack("forged form", _any_origin, forged_form),
    Attack("guessed form", _any_form_token, guessed_form),
    Attack("stranger", _any_session, stranger),
    Attack("script in a hypothesis", _no_escaping, script_in_a_hypothesis),
    Attack("script that runs", _any_headers, script_that_runs),
    Attack("file outside", _any_path, file_outside),
    Attack("key in a hypothesis", _no_redaction, key_in_a_hypothesis),
]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_TOKEN", KEY)
    store_paged(tmp_path / "runs", Paged(text=f"{SCRIPT} {KEY}"))
    return tmp_path / "runs"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_on_the_pages_needs_its_hole(attack: Attack, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not attack.works(runs)
    attack.hole(monkeypatch)
    assert attack.works(runs)
