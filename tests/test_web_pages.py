"""Each page on a small stored run: it can be reached, it is inert, and it leads down to what a command printed."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from urllib.parse import urldefrag

import pytest
from starlette.testclient import TestClient

from evolve.core.records import StoredFile, Verdict
from evolve.web.asking import Asked
from evolve.web.assets import ChartLibrary
from evolve.web.trial_pages import load_document
from tests.paged import HOSTILE, PRICED, RUN, Paged, store_paged
from tests.webbed import KEYS, TRIAL, Markup, client, stored

ALLOWED_SCRIPTS = {"/static/theme.js", "/static/ui.js"}
URLS = ("href", "src", "action", "data-chart")
BIG = 400


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stored(tmp_path_factory.mktemp("hostile"), Paged(text=HOSTILE, last=Verdict.KEEP, measured=True))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pages wait for what is made in the background, and have few steps of a trial."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("evolve.web.assets.chart_scripts", lambda: "'charts'")
    monkeypatch.setattr("evolve.web.recent.WAIT", 60.0)
    monkeypatch.setattr("evolve.web.steps.STEPS", 3)


@pytest.fixture
def pages(hostile: Path) -> TestClient:
    return client(hostile)


def crawl(pages: TestClient) -> dict[str, str]:
    """Every address that is reached from the list of runs, with its type of content."""
    seen: dict[str, str] = {}
    waiting = ["/"]
    while waiting and len(seen) < BIG:
        address = waiting.pop()
        if address in seen:
            continue
        answer = pages.get(address)
        assert answer.status_code == 200, (address, answer.text[:500])
        kind = answer.headers["content-type"].partition(";")[0]
        seen[address] = kind
        if kind == "text/html":
            check_inert(answer.text, address)
            found = Markup(answer.text)
            links = [link for name in ("href", "src", "data-chart") for link in found.values(name)]
            # One order of a list is as good as all: each would be a page of its own with each filter.
            waiting += [
                urldefrag(link).url for link in links if link[0] != "#" and not ("?" in address and "sort=" in link)
            ]
    return seen


def check_inert(page: str, address: str) -> None:
    """Nothing on the page runs, loads or points elsewhere, whatever a model or a sandbox wrote."""
    found = Markup(page)
    for tag, attributes in found.elements:
        assert tag not in ("img", "iframe", "object", "embed", "base", "style", "audio", "video"), (address, tag)
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (address, attributes)
        for name in URLS:
            value = attributes.get(name)
            assert value is None or (value.startswith(("/", "#")) and not value.startswith("//")), (address, value)
    scripts = [attributes.get("src") for tag, attributes in found.elements if tag == "script"]
    assert set(scripts) == ALLOWED_SCRIPTS, address
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", page), address


def test_every_link_from_the_list_of_runs_down_to_a_commands_output_leads_somewhere(pages: TestClient) -> None:
    seen = crawl(pages)
    run = f"/runs/{RUN}"
    wanted = {
        "/", run, f"{run}/rounds", f"{run}/rounds/5", f"{run}/rounds/5/patch", f"{run}/trials", f"{run}/tasks",
        f"{run}/tasks/train-0", TRIAL, f"{TRIAL}?text=steps.0.extra.commands.0.stdout", f"/compare?a={RUN}",
        f"{run}/charts/scores", f"{run}/charts/evidence", "/static/ui.css",
    }  # fmt: skip
    assert not wanted - {*seen} and len(seen) < BIG
    assert {kind for address, kind in seen.items() if "?text=" in address} == {"text/plain"}


def test_a_claim_leads_to_the_trials_that_it_rests_on(pages: TestClient) -> None:
    page = pages.get(f"/runs/{RUN}").text
    assert "beats the seed scaffold on the holdout" in unescape(page)
    links = [link for link in Markup(page).values("href") if link.endswith("split=holdout")]
    assert len(links) == 2
    for link in links:
        assert "hold-7" in pages.get(link).text


def test_hostile_text_is_shown_as_text(pages: TestClient) -> None:
    for address in (f"/runs/{RUN}", f"/runs/{RUN}/rounds/5", TRIAL, f"/runs/{RUN}/tasks"):
        page = pages.get(address).text
        check_inert(page, address)
        assert "<script>alert(1)</script>" in Markup(page).text and "\\x1b[31m" in page and "{{ 7*7 }}" in page


def test_a_long_text_is_cut_and_leads_to_the_rest_which_no_browser_runs(pages: TestClient) -> None:
    page = pages.get(TRIAL).text
    assert "x" * 3_000 not in page and "characters ...]" in page
    answer = pages.get(f"{TRIAL}?text=steps.0.extra.commands.0.stdout")
    assert answer.text.startswith(HOSTILE) and answer.text.endswith("x" * 9_000)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_trial_of_many_steps_is_shown_in_parts(pages: TestClient) -> None:
    first = pages.get(TRIAL).text
    assert "step 3" in first and "step 4" not in first and "5 steps, of which 1 to 3" in first
    assert f"{TRIAL}?step=3" in Markup(first).values("href")
    rest = pages.get(f"{TRIAL}?step=3").text
    assert "step 4" in rest and "step 5" in rest and "step 3" not in rest


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/runs/none", 404),
        (f"/runs/{RUN}/rounds/99", 404),
        (f"/runs/{RUN}/rounds/-1", 404),
        (f"/runs/{RUN}/rounds/x", 404),
        (f"/runs/{RUN}/rounds/99999999999999999999999", 404),
        (f"/runs/{RUN}/rounds/1/trials/0/none", 404),
        (f"/runs/{RUN}/tasks/none", 404),
        (f"/runs/{RUN}/charts/none", 404),
        (f"/runs/{RUN}/log", 404),
        (f"{TRIAL}?text=steps.0.nothing", 404),
        (f"{TRIAL}?text=steps.-1.message", 404),
        (f"/runs/{RUN}/rounds/1/conversation?text=7", 404),
        ("/compare?a=none&b=none", 404),
        ("/static/../app.py", 404),
        ("/static/%2e%2e/app.py", 404),
        ("/runs/..%2f..", 404),
        (f"/runs/{RUN}/rounds?from=x&sort=drop+table&desc=9&verdict=%00", 200),
        (f"/runs/{RUN}/trials?round=1e9&before=-5&outcome=x&split=<b>", 200),
        (f"/runs/{RUN}/trials?round=99999999999999999999", 200),
        (f"{TRIAL}?step=999&try=77", 200),
    ],
)
def test_an_address_that_leads_nowhere_says_so(pages: TestClient, address: str, status: int) -> None:
    answer = pages.get(address)
    assert answer.status_code == status, answer.text
    if answer.headers["content-type"].startswith("text/html"):
        check_inert(answer.text, address)


def test_rounds_are_filtered_and_sorted_by_the_address(pages: TestClient) -> None:
    def numbers(query: str) -> list[int]:
        links = Markup(pages.get(f"/runs/{RUN}/rounds?{query}").text)
        opened = [values["href"] for _, values in links.elements if values.get("class") == "open"]
        return [int(str(link).rpartition("/")[2]) for link in opened]

    assert numbers("") == [5, 4, 3, 2, 1, 0]
    assert numbers("sort=round") == [0, 1, 2, 3, 4, 5]
    assert numbers("verdict=refused") == [3]
    assert numbers("text=a+null+copy") == [4]
    assert numbers("text=__") == []
    assert numbers("sort=effect&desc=1")[:3] == [5, 2, 1]


def test_trials_of_a_round_are_filtered_and_sorted_by_the_address(pages: TestClient) -> None:
    page = pages.get(f"/runs/{RUN}/trials?round=5&split=train&sort=attempt&desc=1").text
    links = [str(values["href"]) for _, values in Markup(page).elements if values.get("class") == "open"]
    attempts = [int(link.split("/")[6]) for link in links]
    assert TRIAL in links and all("/rounds/5/trials/" in link for link in links)
    assert attempts == sorted(attempts, reverse=True) and len({*attempts}) > 2
    assert "hold-0" not in Markup(page).values("href")
    failed = Markup(pages.get(f"/runs/{RUN}/trials?outcome=failed").text)
    assert TRIAL in failed.values("href")


def test_what_is_not_known_is_neither_nothing_nor_a_failure(tmp_path: Path) -> None:
    pages = client(stored(tmp_path))
    page = pages.get(f"/runs/{RUN}").text
    assert "price unknown" in page and "$0.00" not in page
    rounds = pages.get(f"/runs/{RUN}/rounds").text
    assert "not measured" in rounds


def test_known_prices_are_shown_in_dollars(tmp_path: Path) -> None:
    pages = client(stored(tmp_path, Paged(config=PRICED)))
    assert "price unknown" not in pages.get(f"/runs/{RUN}").text


def test_a_run_that_has_only_begun_has_its_pages(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    store_paged(runs, Paged(decided=False))
    pages = client(runs)
    for address in ("/", f"/runs/{RUN}", f"/runs/{RUN}/rounds/0", f"/runs/{RUN}/trials", f"/runs/{RUN}/charts/scores"):
        assert pages.get(address).status_code == 200, address


def test_the_script_of_charts_is_made_once_and_only_an_own_file_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def make() -> str:
        made.append("made")
        return f"// {len(made)}"

    monkeypatch.setattr("evolve.web.assets.chart_scripts", make)
    answers = [client(tmp_path).get("/static/vega.js") for _ in range(2)]
    assert [answer.text for answer in answers] == ["// 1", "// 1"]
    assert answers[0].headers["content-type"].startswith("text/javascript")
    file = next((tmp_path / "cache" / "evolve").glob("vega-*.js"))
    file.chmod(0o666)
    assert ChartLibrary(file.parent).script() == b"// 2" and file.read_text() == "// 2"


def test_without_results_the_list_says_how_to_get_some(tmp_path: Path) -> None:
    answer = client(tmp_path / "none").get("/")
    assert answer.status_code == 200 and "there are no results yet" in answer.text


def test_an_effect_is_stated_against_the_parents_own_trials(pages: TestClient) -> None:
    page = Markup(pages.get(f"/runs/{RUN}/rounds/1").text).text
    assert "Effect against the parent's own trials" in page and "on the same attempts" in page
    assert "Passed more often than with the parent: train-1, train-2" in " ".join(page.split())


def test_two_runs_stand_side_by_side(pages: TestClient) -> None:
    page = pages.get(f"/compare?a={RUN}&b={RUN}").text
    assert "champion on holdout" in page and "Both are the same run" in page


def test_files_outside_the_results_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    (tmp_path / "runs").mkdir()
    for path in (str(secret), "../secret", "x/../../secret"):
        assert load_document(tmp_path / "runs", StoredFile(path, "0" * 64)) == (
            {},
            "Its path leads out of the folder of the results.",
        )


def test_a_form_names_its_token_and_nothing_else_of_the_servers_secrets(pages: TestClient) -> None:
    page = pages.get(f"/runs/{RUN}").text
    assert f'value="{KEYS.form}"' in page and KEYS.session not in page


def test_addresses_keep_what_was_chosen() -> None:
    ask = Asked("/a b", {"text": "x&y", "from": "50"})
    assert ask.with_(sort="effect") == "/a%20b?text=x%26y&from=50&sort=effect"
    assert ask.with_(text=None) == "/a%20b?from=50"
    assert ask.sorted_by("effect") == "/a%20b?text=x%26y&sort=effect"
    turned = Asked("/a", {"sort": "effect"})
    assert turned.sorted_by("effect") == "/a?sort=effect&desc=1"
    assert Asked("/a", {"sort": "effect", "desc": "1"}).sorted_by("effect") == "/a?sort=effect"


@pytest.mark.parametrize(
    ("query", "total"),
    [("", "6 rounds"), ("?text=null+copy", "1 round<"), ("?text=nowhere", "0 rounds"), ("?from=50", "6")],
)
def test_the_number_of_rounds_is_that_of_all_chosen_ones(pages: TestClient, query: str, total: str) -> None:
    assert f'<p class="dim">{total}' in pages.get(f"/runs/{RUN}/rounds{query}").text


def test_the_tasks_by_candidates_are_part_of_the_page_of_a_run(pages: TestClient) -> None:
    found = Markup(pages.get(f"/runs/{RUN}").text)
    cells = [
        attributes for tag, attributes in found.elements if tag == "td" and (attributes.get("class") or "")[:2] == "c-"
    ]
    assert len(cells) > 20
    assert f"/runs/{RUN}/tasks/train-0" in found.values("href")
