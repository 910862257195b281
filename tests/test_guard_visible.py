"""Large agents: what may change counts, and what is frozen and not shown is neither parsed nor searched."""

from __future__ import annotations

import pytest

from evolve.core.records import FileEdit, Proposal
from evolve.guard import MAX_TOTAL_CHARS, refusal, visible_files
from evolve.guard.leaks import STRONG, Sign, Vocabulary

SPEC = 'name = "x"\nentry = "main.py"\n'
SMALL = {"scaffold.toml": SPEC, "main.py": "import vendored.core\n", "skills/a/SKILL.md": "---\nname: a\n---\n"}
LARGE = {**SMALL, "vendored/core.py": "x = 1\n" * MAX_TOTAL_CHARS, "vendored/doc.md": "orange elephants dance\n"}
EVOLVABLE = ("main.py", "skills/*")


def refused(path: str, text: str, files: dict[str, str] = LARGE, **more: object) -> str | None:
    evolvable = more.pop("evolvable", EVOLVABLE)
    return refusal(Proposal("h", "p", (FileEdit(path, text),)), files, evolvable, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("files", "shown", "visible"),
    [
        (SMALL, None, {"scaffold.toml", "main.py", "skills/a/SKILL.md"}),
        (LARGE, None, {"scaffold.toml", "main.py", "skills/a/SKILL.md"}),
        (LARGE, ["*.md"], {"scaffold.toml", "main.py", "skills/a/SKILL.md", "vendored/doc.md"}),
        (SMALL | {"b.txt": ""}, [], {"scaffold.toml", "main.py", "skills/a/SKILL.md"}),
        (SMALL | {"b.txt": ""}, None, {"scaffold.toml", "main.py", "skills/a/SKILL.md", "b.txt"}),
    ],
)
def test_what_is_visible(files: dict[str, str], shown: list[str] | None, visible: set[str]) -> None:
    assert set(visible_files(files, EVOLVABLE, shown)) == visible


def test_a_large_frozen_part_leaves_the_rest_evolvable() -> None:
    assert refused("main.py", "import vendored.core\nx = 2\n") is None
    assert (refused("main.py", "x = 2\n" * MAX_TOTAL_CHARS) or "").startswith("too large: the files that may change")
    assert (refused("skills/b.md", "x" * 40_000) or "").startswith("too large: one patch grows")


def test_words_of_what_is_not_shown_are_not_known() -> None:
    vocabulary = Vocabulary(runs={}, words={}, literals={"orange elephants": Sign(STRONG, frozenset([1]))})
    text = "---\nname: a\n---\norange elephants\n"
    assert (refused("skills/b.md", text, vocabulary=vocabulary) or "").startswith("leak")
    assert refused("skills/b.md", text, vocabulary=vocabulary, shown=["*.md"]) is None


@pytest.mark.parametrize("own", ['image = "x:1"', 'dockerfile = "image/Dockerfile"', 'command = ["agent"]'])
def test_any_package_may_be_in_an_image_of_its_own(own: str) -> None:
    with_image = SMALL | {"scaffold.toml": f"{SPEC}{own}\n"}
    assert refused("main.py", "import requests\n", with_image) is None
    assert (refused("main.py", "import requests\n", SMALL) or "").startswith("can't be imported")


@pytest.mark.parametrize(
    ("path", "evolvable", "fine"),
    [
        (".claude/skills/b/SKILL.md", (".claude/skills/*",), True),
        (".claude/skills/b/.hidden", (".claude/skills/*",), False),
        (".claude/skills/../x", (".claude/skills/*",), False),
        (".claude/x.md", ("*.md",), False),
        ("a/.codex/x.md", ("*/.codex/*",), True),
        ("skills//x.md", ("skills/*",), False),
        (".claude/skills/x.md", (".claude/*", "skills/*"), True),
    ],
)
def test_hidden_folders_need_a_pattern_that_names_them(path: str, evolvable: tuple[str, ...], fine: bool) -> None:
    problem = refused(path, "---\nname: b\ndescription: c\n---\n", SMALL, evolvable=evolvable)
    assert (problem is None) is fine, problem
