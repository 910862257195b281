"""The report of one file: self-contained, inert whatever a run holds, and honest about what is not known."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evolve import cli
from evolve.cli.reporting import default_name
from evolve.core.records import Verdict
from evolve.pages import pictures
from evolve.pages.environment import MOST_TEXT, data, environment, inert
from evolve.pages.markdown import report_markdown
from evolve.pages.patches import MOST_LINE
from evolve.pages.report import report_html, report_view, shown_rounds
from evolve.pages.rounds import round_views
from evolve.runs.lookup import open_results, run_row
from tests.paged import HOSTILE, PRICED, RUN, Paged, store_paged

URL_ATTRIBUTES = {"src", "href", "action", "data", "poster", "srcset", "formaction", "background", "cite", "ping"}
VOID = {"meta", "link", "br", "img", "input", "hr", "base", "path", "rect"}
ALLOWED_IN_BODY = {
    "a", "article", "b", "body", "br", "button", "caption", "clippath", "code", "dd", "defs", "details", "div", "dl",
    "dt", "figcaption", "figure", "footer", "g", "h1", "h2", "h3", "header", "li", "line", "main", "nav", "ol", "p",
    "path", "pre", "rect", "script", "section", "span", "summary", "svg", "table", "tbody", "td", "text", "th", "thead",
    "tr", "ul",
}  # fmt: skip


@dataclass
class Page(HTMLParser):
    """What a document consists of."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    scripts: list[tuple[dict[str, str], str]] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    text: str = ""
    unclosed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append((tag, values))
        if tag == "script":
            self.scripts.append((values, ""))
        if tag == "style":
            self.styles.append("")
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if self.unclosed and self.unclosed[-1] == tag:
            self.unclosed.pop()
        else:
            self.unclosed.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if self.unclosed[-1:] == ["script"]:
            attributes, content = self.scripts[-1]
            self.scripts[-1] = (attributes, content + data)
        elif self.unclosed[-1:] == ["style"]:
            self.styles[-1] += data
        else:
            self.text += data

    @property
    def words(self) -> str:
        return " ".join(self.text.split())


def page_of(text: str) -> Page:
    page = Page()
    page.feed(text)
    page.close()
    return page


def rendered(runs: Path, paged: Paged) -> str:
    store_paged(runs, paged)
    with open_results(runs) as store:
        return report_html(report_view(store, run_row(store, RUN), runs))


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of a run in which every text is hostile."""
    code = "x = '</code></pre><script>alert(9)</script>'\n\x1b[2J\u202e\n"
    return rendered(tmp_path_factory.mktemp("hostile") / "runs", Paged(HOSTILE, code=code))


@pytest.fixture(scope="module")
def page(document: str) -> Page:
    return page_of(document)


@pytest.fixture
def without_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without the scripts of charts, which take seconds to bundle."""
    monkeypatch.setattr("evolve.pages.report.chart_scripts", lambda: "")
    monkeypatch.setattr(pictures, "svg_of", lambda spec: "<svg></svg>")


def test_the_document_is_well_formed(page: Page) -> None:
    assert page.unclosed == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids)) and {"claim", "scores", "tasks", "round-1", "replay"} <= set(ids)


def test_nothing_is_loaded(page: Page) -> None:
    urls = [value for _, attributes in page.tags for name, value in attributes.items() if name in URL_ATTRIBUTES]
    assert urls and all(url.startswith("#") or url == "data:," for url in urls), urls
    assert "@import" not in page.styles[0] and "url(" not in page.styles[0]


def test_every_link_leads_to_a_place_on_the_page(page: Page) -> None:
    ids = {attributes.get("id") for _, attributes in page.tags}
    links = {attributes["href"][1:] for tag, attributes in page.tags if tag == "a"}
    assert links and links <= ids


def test_what_a_model_wrote_is_text(page: Page) -> None:
    """Weakened by `autoescape=False`, the hostile texts are elements."""
    tags = {tag for tag, _ in page.tags}
    body = tags - {"html", "head", "meta", "title", "style", "link"}
    assert body <= ALLOWED_IN_BODY, body - ALLOWED_IN_BODY
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]
    assert '"><img src=x onerror=alert(2)>' in page.words and "{{ 7*7 }}" in page.words


def test_scripts_are_ours_and_named_by_the_policy(page: Page) -> None:
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split("; ")}
    assert rules["default-src"] == ["'none'"] and rules["base-uri"] == ["'none'"] and rules["form-action"] == ["'none'"]
    assert "unsafe" not in policy and "*" not in policy and "http" not in policy
    ours = [text for attributes, text in page.scripts if attributes.get("type") != "application/json"]
    assert [
        attributes.get("type") for attributes, _ in page.scripts if attributes.get("type") != "application/json"
    ] == [
        "text/plain",
        None,
    ]
    assert [_hash(text) for text in ours] == rules["script-src"]
    assert [_hash(text) for text in page.styles] == rules["style-src"]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_data_of_charts_is_json_that_ends_no_script(page: Page) -> None:
    specs = [text for attributes, text in page.scripts if attributes.get("type") == "application/json"]
    assert len(specs) == 3
    for text in specs:
        assert "<" not in text and "http" not in json.dumps(json.loads(text).get("$schema", ""))
    assert json.loads(data({"a": "</script><!--&"})) == {"a": "</script><!--&"}


def test_control_and_direction_characters_are_escaped(document: str, page: Page) -> None:
    body = document.partition("<script>")[0]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", body)
    assert "\\x1b[31mred" in page.words and "\\u202egnp.exe" in page.words


def test_a_patch_is_coloured_line_by_line(document: str) -> None:
    assert '<span class="d-gd">-x = 0</span>' in document
    assert re.search(r'<span class="d-gi">\+# 1 [^<]*&lt;/script&gt;', document)


def test_what_is_unknown_is_not_nothing(page: Page) -> None:
    assert "cost unknown" in page.words and "$0.00" not in page.words
    assert "the realised rate" not in page.words  # one null copy was judged
    cells = [
        attributes for tag, attributes in page.tags if tag == "td" and attributes.get("class", "").startswith("c-")
    ]
    not_measured = [cell for cell in cells if cell["title"].endswith("not measured")]
    assert not_measured and all(cell["class"] == "c-none" for cell in not_measured)
    failed = [cell for cell in cells if re.search(r": 0 of \d+ passed$", cell["title"])]
    assert failed and all(cell["class"] == "c-failed" for cell in failed)


def test_a_gain_that_is_held_back_is_named_with_the_way_to_take_it_over(page: Page) -> None:
    assert "A gain is held back: 2 patches are stacked on the seed scaffold" in page.words
    assert f"evolve adopt {RUN} --tip" in page.words


def test_reverted_patches_are_folded_and_the_others_open(document: str) -> None:
    assert '<article class="patch" id="round-1"' in document and '<article class="patch" id="round-5"' in document
    for number in (2, 3, 4):
        assert f'<details id="round-{number}"' in document


@pytest.mark.parametrize(
    ("paged", "words"),
    [
        (Paged(started=False), "Nothing can be claimed yet"),
        (Paged(decided=False), "Nothing can be claimed yet"),
        (Paged(last=Verdict.REVERT), "A gain is held back: 1 patch is stacked"),
        (Paged(last=Verdict.KEEP), "is not yet compared with the seed scaffold on the holdout"),
        (Paged(last=Verdict.KEEP, measured=True, config=PRICED), "The champion of round 5 beats the seed scaffold"),
    ],
)
@pytest.mark.usefixtures("without_scripts")
def test_every_stage_of_a_run_has_a_report(tmp_path: Path, paged: Paged, words: str) -> None:
    page = page_of(rendered(tmp_path / "runs", paged))
    assert words in page.words and page.unclosed == []
    assert ("cost unknown" in page.words) == (paged.config is not PRICED)


@pytest.mark.usefixtures("without_scripts")
def test_a_huge_text_stays_small_on_the_page(tmp_path: Path) -> None:
    text = rendered(tmp_path / "runs", Paged("y" * 900_000))
    assert len(text) < 800_000
    assert len(inert("z" * 10_000_000)) < MOST_TEXT + 10
    assert "y" * (MOST_LINE + 1) not in text.partition('class="diff"')[2].partition("</pre>")[0]


@pytest.mark.parametrize("key", ["k3y-9f8e7d6c5b4a3210", "section"])
@pytest.mark.usefixtures("without_scripts")
def test_no_key_leaves_the_machine_and_none_breaks_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("SOME_API_KEY", key)
    page = page_of(rendered(tmp_path / "runs", Paged(f"see {key} there", code=f"KEY = '{key}'\n")))
    assert key not in page.words and "see [key] there" in page.words and "KEY = '[key]'" in page.words
    assert not [text for _, text in page.scripts if key in text]
    assert page.unclosed == [] and "section" in {tag for tag, _ in page.tags}


def test_a_report_is_small(document: str) -> None:
    assert 500_000 < len(document.encode()) < 2_000_000


def test_a_long_run_shows_the_path_to_the_tip_and_the_newest(tmp_path: Path) -> None:
    store_paged(tmp_path / "runs")
    with open_results(tmp_path / "runs") as store:
        rounds = round_views(store, RUN, tmp_path / "runs")
    assert [one.number for one in shown_rounds(rounds, 4)] == [0, 1, 4, 5]
    assert shown_rounds(rounds, 6) == rounds


def test_a_text_in_any_page_is_escaped_and_nothing_is_shown_for_none() -> None:
    made = environment(lambda number: "#").from_string("{{ a }}|{{ b }}|{{ c }}")
    assert made.render(a='<b onx="1">', b=None, c=2.5) == "&lt;b onx=&#34;1&#34;&gt;||2.5"


def test_markdown_shows_the_same_and_no_markup_of_others(tmp_path: Path) -> None:
    store_paged(tmp_path / "runs", Paged(f"{HOSTILE} ``` | [a](http://x) ![i](http://y)", code="```\n````\n"))
    with open_results(tmp_path / "runs") as store:
        text = report_markdown(report_view(store, run_row(store, RUN), tmp_path / "runs"))
    prose = re.sub(r"^(`{3,})diff\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "`````diff" in text and "<script" not in prose.replace(f"<!-- evolve report {RUN} -->", "")
    assert "[a](" not in prose and "A gain is held back" in prose and "not measured" in prose and "| unknown |" in prose
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in _table(prose, "## Rounds")}
    assert columns == {10}


def _table(text: str, title: str) -> list[str]:
    section = text.partition(title)[2].partition("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("|")]


@pytest.fixture
def evolve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], without_scripts: None
) -> Callable[..., tuple[int, str]]:
    store_paged(tmp_path / "runs")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["evolve", "report", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out + err

    return run


def test_the_command_writes_one_file_and_says_where(tmp_path: Path, evolve: Callable[..., tuple[int, str]]) -> None:
    status, shown = evolve()
    path = tmp_path / default_name(RUN)
    assert status == 0 and shown.endswith(f"written to {path.name}\n") and shown.startswith("A gain is held back")
    assert html.escape(RUN) in path.read_text("utf-8")
    first = path.read_bytes()
    assert evolve(RUN)[0] == 0 and len(path.read_bytes()) == len(first)


def test_the_command_replaces_its_own_reports_only(tmp_path: Path, evolve: Callable[..., tuple[int, str]]) -> None:
    path = tmp_path / "mine.html"
    path.write_text("my notes")
    status, shown = evolve("-o", str(path))
    assert status == 2 and "exists, and is no report of this run" in shown and path.read_text() == "my notes"
    assert evolve("-o", str(path), "--force")[0] == 0
    assert evolve("-o", str(path))[0] == 0 and "my notes" not in path.read_text()
    status, shown = evolve("-o", str(tmp_path))
    assert status == 2 and "is a folder" in shown
    assert evolve("--md", "-o", str(tmp_path / "r.md"))[0] == 0
    assert evolve("--md", "-o", str(tmp_path / "r.md"))[0] == 0


def test_the_command_refuses_a_run_that_is_not_there(evolve: Callable[..., tuple[int, str]]) -> None:
    status, shown = evolve("nothing-here")
    assert status == 2 and "there is no such run" in shown and shown.count("\n") == 1
