"""Ready images: a run stores their digests, and is not resumed with another image of the same name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evolve.core.errors import BadInput
from evolve.core.records import TaskImage
from evolve.runs.pinned import check_pinned, pinned_images
from evolve.store import RunRow
from evolve.suite.tasks import Suite
from evolve.suite.unbuildable import UsableSuite

DIGEST = "x/y@sha256:1"


def usable(pinned: str = DIGEST) -> UsableSuite:
    verifier = TaskImage("v", "/", pinned="v@sha256:2")
    images = {"a": TaskImage("a", "/", pinned=pinned, verifiers=(("", verifier),)), "b": TaskImage("b", "/app")}
    return UsableSuite(Suite(Path("s"), ()), images, {})


def row(engine: str) -> RunRow:
    return RunRow("r", "", 0, "{}", "", "s", "s", "m", None, engine, "", "", "")


def test_digests_of_ready_images_are_stored() -> None:
    assert pinned_images(usable()) == {"images": {"a": DIGEST, "a verifier": "v@sha256:2"}}
    assert pinned_images(UsableSuite(Suite(Path("s"), ()), {"b": TaskImage("b", "/app")}, {})) == {}


def test_digests_of_services_are_stored() -> None:
    service, own = TaskImage("s", "/", pinned="s@sha256:4"), TaskImage("t", "/", pinned="t@sha256:5")
    verifier = TaskImage("v", "/", services=(("judge", own),))
    task = TaskImage("a", "/", services=(("db", service),), verifiers=(("", verifier),))
    pins = pinned_images(UsableSuite(Suite(Path("s"), ()), {"a": task}, {}))
    assert pins == {"images": {"a service db": "s@sha256:4", "a verifier service judge": "t@sha256:5"}}


def test_another_image_of_the_same_name_is_refused() -> None:
    stored = row(json.dumps({"Version": "1", **pinned_images(usable())}))
    check_pinned(stored, usable())
    with pytest.raises(BadInput, match="the image of task a was x/y@sha256:1, and is x/y@sha256:3 now"):
        check_pinned(stored, usable("x/y@sha256:3"))


@pytest.mark.parametrize("engine", ["", "{}", "[]", '{"images": 3}', '{"Version": "1"}'])
def test_runs_of_earlier_versions_have_none(engine: str) -> None:
    check_pinned(row(engine), usable())
