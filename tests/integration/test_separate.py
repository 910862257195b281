"""Verifiers in a container of their own: what reaches them, and what doesn't."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from evolve.core.records import Outcome, TaskImage, VerifierMode
from evolve.trial.reward import Reward
from evolve.trial.run import run_trial

from .harbor_tasks import DOCKERFILE, NONE_LEFT, Small, solved, with_scaffold

pytestmark = pytest.mark.docker
SEPARATE = "[verifier]\nenvironment_mode = 'separate'\n"
OUT = 'artifacts = ["/app/out"]\n' + SEPARATE
CHECKED = {
    "published": Small("grep -q ok /logs/artifacts/a/b && [ ! -e /app/out ]",
                       "mkdir /logs/artifacts/a; echo ok | tee /app/out > /logs/artifacts/a/b", SEPARATE),
    "declared file": Small("grep -q ok /app/out && [ ! -e /app/other ]", "echo ok | tee out > other", OUT),
    "declared folder": Small("[ \"$(cd /app; echo *)\" = 'keep sub' ] && [ -x /app/sub/run ] && [ ! -e /app/old ]",
                             "mkdir sub .git __pycache__; touch keep x.pyc sub/run .git/a __pycache__/b sub/y.pyc; "
                             "chmod 700 sub/run; rm old",
                             'artifacts = [{source = "/app", exclude = ["*.pyc", ".git", "__pycache__"]}]\n' + SEPARATE,
                             DOCKERFILE + "RUN touch old\n"),
    "missing artifact": Small("[ ! -e /app/absent ]", "true", 'artifacts = ["/app/absent"]\n' + SEPARATE),
    "links and permissions": Small("[ ! -e /data/out ] && [ $(readlink /data/in) = file ] && [ ! -u /data/file ] && "
                                   "[ ! -p /data/pipe ] && [ $(stat -c %U /data/file) = root ]",
                                   "mkdir /data; cd /data; echo x > file; chmod 4755 file; ln -s file in; "
                                   "ln -s /etc/passwd out; mkfifo pipe; chown 1000 file",
                                   'artifacts = ["/data"]\n' + SEPARATE),
    "what can't be read": Small("[ -e /app/out ] && [ ! -e /app/loop ] && [ ! -e /app/file/x ] && [ ! -e /app/pipe ]",
                                "ln -s loop loop; ln -s b a; ln -s a b; touch file out; mkfifo pipe",
                                'artifacts = ["/app/loop", "/app/a", "/app/loop/x", "/app/file/x", "/app/pipe", '
                                '"/app/out"]\n' + SEPARATE),
    "the engine's files": Small("grep -q ok /etc/out", "echo ok > /etc/out", 'artifacts = ["/etc"]\n' + SEPARATE),
    "a link": Small("[ ! -e /app/out ] && grep -q ok /data/sub/a && [ ! -e /app/gone ]",
                    "mkdir -p /real/sub; echo ok | tee /real/sub/a > /real/b; ln -s real /data; ln -s /data/b out; "
                    "ln -s nothing gone", 'artifacts = ["/data", "/app/out", "/app/gone"]\n' + SEPARATE),
    "collect": Small("grep -q 'ok root ann' /logs/artifacts/out", "echo ok > out",
                     SEPARATE + "[[verifier.collect]]\ncommand = 'echo $(cat out) $(whoami) > /logs/artifacts/out'\n"
                     "[[verifier.collect]]\ncommand = 'sleep 60'\ntimeout_sec = 1\n"
                     "[[verifier.collect]]\ncommand = 'exit 3'\n"
                     "[[verifier.collect]]\nuser = 'ann'\n"
                     "command = 'echo $(cat /logs/artifacts/out) $(whoami) > /tmp/o; "
                     "cat /tmp/o > /logs/artifacts/out'\n", DOCKERFILE + "RUN useradd -m ann\n"),
    "nothing else": Small(NONE_LEFT + " && [ ! -e /tmp/x ] && [ ! -e /solution ] && [ $(id -u) = 0 ]",
                          "touch /tmp/x; setsid sleep 99 &", SEPARATE),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CHECKED))
def test_only_artifacts_reach_a_separate_verifier(tmp_path: Path, base: str, swept: str, name: str) -> None:
    small = CHECKED[name]
    if name == "collect":
        small = replace(small, solve=small.solve + "; touch /logs/artifacts/out; chmod 666 /logs/artifacts/out")
    judgement = solved(small.spec(tmp_path / "task", base, swept))
    assert judgement.grade == Reward(1.0, 1.0), judgement


def test_a_verifier_may_have_an_image_with_its_tests(tmp_path: Path, base: str, swept: str) -> None:
    """The second task's image stands for the one that the first task's tests bring."""
    other = Small(
        dockerfile=DOCKERFILE + "RUN mkdir /tests && echo 'echo 1 > /logs/verifier/reward.txt' > /tests/test.sh"
    )
    verifier: TaskImage = other.spec(tmp_path / "other", base, swept).image
    more = {"tests/Dockerfile": DOCKERFILE}
    spec = Small(toml=SEPARATE, more=more, image={"verifiers": (("", verifier),)}).spec(tmp_path / "task", base, swept)
    assert solved(spec).grade == Reward(1.0, 1.0)


def test_variables_of_the_host_reach_a_separate_verifier_alone(
    tmp_path: Path, base: str, swept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE", "a judge")
    toml = SEPARATE + "[verifier.env]\nX = '${JUDGE}'\nY = '${ABSENT_HERE:-other}'\n"
    small = Small('[ "$X$Y" = "a judgeother" ]', '[ -z "$X$Y" ] || exit 1', toml)
    assert solved(small.spec(tmp_path / "task", base, swept)).grade == Reward(1.0, 1.0)


def test_a_trial_with_a_separate_verifier_leaves_nothing(tmp_path: Path, base: str, swept: str) -> None:
    small = Small("grep -q ok /app/out && " + NONE_LEFT, toml=OUT)
    main = "import evolve_door as door\ndoor.run('echo ok > out; setsid sleep 99 >/dev/null 2>&1 &')"
    result = run_trial(with_scaffold(small.spec(tmp_path / "task", base, swept), main))
    assert (result.outcome, result.verifier) == (Outcome.PASSED, VerifierMode.ISOLATED), result.detail
