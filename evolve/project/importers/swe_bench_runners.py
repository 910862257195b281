"""How the repositories of SWE-bench Verified run their tests."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from evolve.project.importers.benchmark import Unsuitable

PYTEST = "pytest -rA"
DJANGO = "./tests/runtests.py --verbosity 2"
UTF_8 = ("export LANG=en_US.UTF-8 LC_ALL=en_US.UTF-8 LANGUAGE=en_US:en PYTHONIOENCODING=utf8",)
# What is not installed in editable form must be found in the repository first.
OWN_CODE = ("export PYTHONPATH=/testbed",)
QUIET = ("export PYTHONWARNINGS=ignore::UserWarning,ignore::SyntaxWarning",)


@dataclass(frozen=True)
class Runner:
    """A command that runs test files. parser: how `grade.py` reads its output; network: the tests need one."""

    words: str
    parser: str = "pytest"
    setup: tuple[str, ...] = ()
    network: bool = False

    def command(self, files: Sequence[str]) -> str:
        names = [_django_label(path) for path in files] if self.parser == "django" else files
        return " ".join([self.words, *map(shlex.quote, names)])


RUNNERS = {
    "astropy/astropy": Runner(f"{PYTEST} -vv -o console_output_style=classic --tb=no"),
    "django/django": Runner(f"{DJANGO} --settings=test_sqlite --parallel 1", "django", UTF_8 + OWN_CODE),
    "matplotlib/matplotlib": Runner(PYTEST),
    "mwaskom/seaborn": Runner(f"{PYTEST} --no-header"),
    "pallets/flask": Runner(PYTEST),
    "psf/requests": Runner(PYTEST, setup=OWN_CODE, network=True),
    "pydata/xarray": Runner(PYTEST),
    "pylint-dev/pylint": Runner(PYTEST),
    "pytest-dev/pytest": Runner(PYTEST),
    "scikit-learn/scikit-learn": Runner(PYTEST),
    "sphinx-doc/sphinx": Runner("tox --current-env -epy39 -v --"),
    "sympy/sympy": Runner("bin/test -C --verbose", "sympy", QUIET),
}
# By repository and version.
EXCEPTIONS = {("django/django", "1.9"): Runner(DJANGO, "django", UTF_8 + OWN_CODE)}


def runner_of(repo: str, version: str) -> Runner:
    """The runner of a repository. Raises Unsuitable for one that is not known."""
    runner = EXCEPTIONS.get((repo, version)) or RUNNERS.get(repo)
    if runner is None:
        raise Unsuitable(f"how {repo} runs its tests is not supported")
    return runner


def _django_label(path: str) -> str:
    """`tests/admin_views/tests.py` as Django's runner takes it: `admin_views.tests`."""
    return path.removeprefix("tests/").removesuffix(".py").replace("/", ".")
