"""Small tasks for every row of Harbor's format, each with the reward that its reference solution earns there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.harbor_tasks import BASE, KEEP, PASS_IF, SOLVE, TEST, USABLE, write

ANN = f"{BASE}RUN useradd -m ann && chown ann /app\n"
DONE = "grep -q done /app/answer"
SHELL = "#!/bin/bash\n"
SEPARATE = '[verifier]\nenvironment_mode = "separate"\n'


def reward_of(*lines: str) -> str:
    """Tests that end like this, whatever was done."""
    return "\n".join((SHELL, *lines, ""))


@dataclass(frozen=True)
class Case:
    """A task's files, and its reward; None if the tests give none. `links`: where links lead, by name."""

    files: Mapping[str, str] = field(default_factory=dict)
    reward: float | None = 1.0
    links: Mapping[str, str] = field(default_factory=dict)

    def written(self, folder: Path) -> Path:
        write(folder, self.files)
        for name, target in self.links.items():
            (folder / name).symlink_to(target)
        return folder


def steps(root: str, first: str, second: str, rewards: tuple[str, str], **files: str) -> dict[str, str]:
    """A task of two steps, whose tests write these rewards."""
    tests = {
        f"steps/{name}/tests/test.sh": reward_of(f"echo '{reward}' > /logs/verifier/reward.json")
        for name, reward in zip(("first", "second"), rewards, strict=True)
    }
    return {
        "task.toml": f"{root}[[steps]]\nname = 'first'\n{first}\n[[steps]]\nname = 'second'\n{second}\n",
        "instruction.md": "",
        "tests/test.sh": "",
        "steps/first/instruction.md": "First.\n",
        "steps/second/instruction.md": "Second.\n",
        **tests,
        **files,
    }


REWARDS = {
    "reward-json-first": Case({"tests/test.sh": reward_of("cd /logs/verifier", "echo 0 > reward.txt",
                                                          "echo '{\"reward\": 0.5, \"x\": 2}' > reward.json")}, 0.5),
    "reward-true": Case({"tests/test.sh": reward_of("echo '{\"reward\": true}' > /logs/verifier/reward.json")}),
    "reward-short": Case({"tests/test.sh": reward_of("echo ' .25 ' > /logs/verifier/reward.txt")}, 0.25),
    "reward-long": Case({"tests/test.sh": reward_of(
        "python3 -c \"import json; print(json.dumps({'reward': 1, **{f'case {n}': 0 for n in range(2000)}}))\" "
        "> /logs/verifier/reward.json")}),
    "no-reward": Case({"tests/test.sh": reward_of("true")}, None),
    "empty-reward": Case({"tests/test.sh": reward_of("touch /logs/verifier/reward.txt")}, None),
    "infinite-reward": Case({"tests/test.sh": reward_of("echo inf > /logs/verifier/reward.txt")}, None),
    "reward-that-is-text": Case({"tests/test.sh": reward_of("echo pass > /logs/verifier/reward.txt")}, None),
    "reward-in-a-list": Case({"tests/test.sh": reward_of("echo '[1]' > /logs/verifier/reward.json")}, None),
    "reward-of-the-agent": Case({"solution/solve.sh": reward_of("echo 1 > /logs/verifier/reward.txt",
                                                                "echo '{\"reward\": 1}' > /logs/verifier/reward.json"),
                                 "tests/test.sh": reward_of("true")}, None),
    "status-of-the-tests": Case({"tests/test.sh": f"{TEST}exit 7\n"}),
    "status-of-the-solution": Case({"solution/solve.sh": f"{SOLVE}exit 7\n"}),
}  # fmt: skip

SCRIPTS = {
    "python-as-tests": Case({"tests/test.sh": "#!/usr/bin/env python3\nfrom pathlib import Path\n"
                             "done = Path('/app/answer').read_text() == 'done\\n'\n"
                             "Path('/logs/verifier/reward.txt').write_text(str(int(done)))\n"}),
    "dash-as-solution": Case({"solution/solve.sh": "#!/bin/sh\n[ -z \"$BASH_VERSION\" ] && echo done > /app/answer\n"}),
    "no-first-line": Case({"solution/solve.sh": "[[ x == x* ]] && echo done > answer\n"}),
    "spaces-in-the-first-line": Case({"solution/solve.sh": "#! /usr/bin/env bash\n[[ 1 ]] && echo done > answer\n"}),
    "options-in-the-first-line": Case({"solution/solve.sh": "#!/bin/bash -e\necho done > answer\nfalse\nrm answer\n"}),
    "carriage-returns": Case({"tests/test.sh": TEST.replace("\n", "\r\n")}, None),
    "more-files": Case({"tests/helpers/check it.py": "print(open('/app/answer').read(), end='')\n",
                        "tests/test.sh": PASS_IF.format(
                            "[ \"$(python3 '/tests/helpers/check it.py')\" = done ] && [ ! -e /solution/none ]"),
                        "solution/data/träge": "done\n",
                        "solution/solve.sh": f"{SHELL}cat /solution/data/tr*ge > /app/answer\n"}),
    "folder-of-the-tests": Case({
        "tests/test.sh": PASS_IF.format(f"[ \"$PWD\" = /app ] && [ $0 = /tests/test.sh ] && {DONE}")}),
    "tests-are-not-there-before": Case({"solution/solve.sh": f"{SHELL}[ ! -e /tests/test.sh ] && {SOLVE[12:]}"}),
    "folders-for-logs": Case({"solution/solve.sh": f"{SHELL}for one in agent artifacts verifier; do touch "
                              f"/logs/$one/x || exit; done; {SOLVE[12:]}"}),
}  # fmt: skip

VARIABLES = {
    "tests-over-environment": Case({
        "task.toml": '[environment.env]\nA = "one"\nB = "two"\n[verifier.env]\nA = "x y"\n[solution.env]\nB = "done"\n',
        "solution/solve.sh": f'{SHELL}[ "$A" = one ] && echo $B > answer\n',
        "tests/test.sh": PASS_IF.format(f'[ "$A,$B" = "x y,two" ] && {DONE}')}),
    "dollars-are-text": Case({
        "task.toml": '[environment.env]\nA = "$HOME ${HOME}s"\n[verifier.env]\nA = "$HOME ${HOME}s"\n',
        "tests/test.sh": PASS_IF.format("[ \"$A\" = '$HOME ${HOME}s' ]")}),
    "noninteractive": Case({"solution/solve.sh": f'{SHELL}[ "$DEBIAN_FRONTEND" = noninteractive ] && {SOLVE[12:]}',
                            "tests/test.sh": PASS_IF.format(f'[ -z "$DEBIAN_FRONTEND" ] && {DONE}')}),
    "variables-of-the-image": Case({"environment/Dockerfile": f"{BASE}ENV WORD=done PATH=/opt/x:$PATH\n",
                                    "solution/solve.sh": f"{SHELL}echo $WORD > answer\n",
                                    "tests/test.sh": PASS_IF.format(f'[ "${{PATH%%:*}}" = /opt/x ] && {DONE}')}),
}  # fmt: skip

PHASES = {
    "service-of-the-agent": Case({
        "solution/solve.sh": f"{SHELL}nohup setsid python3 -m http.server 8123 --bind 127.0.0.1 >/dev/null 2>&1 &\n"
                             "sleep 1.5\n",
        "tests/test.sh": PASS_IF.format(
            "python3 -c \"import urllib.request as u; u.urlopen('http://127.0.0.1:8123/')\"")}),
    "state-anywhere": Case({"solution/solve.sh": f"{SHELL}echo done | tee /tmp/a > /etc/b\n",
                            "tests/test.sh": PASS_IF.format("grep -q done /tmp/a && grep -q done /etc/b")}),
    "user-of-the-tests": Case({"task.toml": '[verifier]\nuser = "ann"\n', "environment/Dockerfile": ANN,
                               "tests/test.sh": PASS_IF.format(f"[ $(whoami) = ann ] && {DONE}")}),
    "users-of-both": Case({"task.toml": '[agent]\nuser = "ann"\n[verifier]\nuser = 0\n', "environment/Dockerfile": ANN,
                           "solution/solve.sh": f"{SHELL}echo $(whoami) done > answer\n",
                           "tests/test.sh": PASS_IF.format("[ $(whoami) = root ] && grep -q 'ann done' /app/answer")}),
    "healthy-at-the-third-time": Case({
        "task.toml": '[environment.healthcheck]\ncommand = "echo x >> /checks; [ $(wc -l < /checks) -ge 3 ]"\n'
                     "interval_sec = 0.2\nretries = 3\n",
        "tests/test.sh": PASS_IF.format(f"[ $(wc -l < /checks) = 3 ] && {DONE}")}),
    "folder-of-the-task": Case({"task.toml": '[environment]\nworkdir = "/srv"\n',
                                "solution/solve.sh": f"{SHELL}echo done > out\n",
                                "tests/test.sh": PASS_IF.format("[ $PWD = /srv ] && grep -q done out")}),
    "sizes-as-text": Case({"task.toml": '[environment]\nmemory = "512M"\nstorage = "1G"\ncpus = 1\n'}),
}  # fmt: skip

SEPARATES = {
    "published": Case({"task.toml": SEPARATE,
                       "solution/solve.sh": f"{SHELL}mkdir -p /logs/artifacts/a; echo done | tee "
                       "/logs/artifacts/a/b > /app/answer\n",
                       "tests/test.sh": PASS_IF.format("grep -q done /logs/artifacts/a/b && [ ! -e /app/answer ]")}),
    "declared-folder": Case({
        "task.toml": f'artifacts = [{{ source = "/app", exclude = ["*.tmp"] }}]\n{SEPARATE}',
        "solution/solve.sh": f"{SHELL}mkdir sub; echo done > sub/answer; touch sub/a.tmp\n",
        "tests/test.sh": PASS_IF.format("grep -q done /app/sub/answer && [ ! -e /app/sub/a.tmp ]")}),
    "named-copy": Case({
        "task.toml": f'artifacts = [{{ source = "/app/answer", destination = "copy.txt" }}, "/app/absent"]\n'
                     f"{SEPARATE}"}),
    "collected": Case({
        "task.toml": f"{SEPARATE}[[verifier.collect]]\n"
                     "command = 'echo $(whoami) $(cat /app/answer) > /logs/artifacts/x'\n"
                     'user = "ann"\n',
        "environment/Dockerfile": f"{ANN}RUN mkdir -p /logs/artifacts && chmod 777 /logs/artifacts\n",
        "tests/test.sh": PASS_IF.format("grep -q 'ann done' /logs/artifacts/x")}),
    "excluded": Case({
        "task.toml": f'artifacts = [{{ source = "/app/", exclude = ["sub/skip", "*.log", "tmp"] }}]\n{SEPARATE}',
        "solution/solve.sh": f"{SHELL}mkdir -p sub/skip tmp sub/tmp\n"
                             "touch sub/skip/a sub/b x.log sub/y.log tmp/z sub/tmp/z k\n",
        "tests/test.sh": PASS_IF.format('[ "$(cd /app && find . -type f | sort | tr "\\n" " ")" = "./k ./sub/b " ]')}),
    "nested-copies": Case({
        "task.toml": 'artifacts = [{ source = "/app/sub", destination = "deep/er" }, "/app/sub/a"]\n'
                     f"{SEPARATE}",
        "solution/solve.sh": f"{SHELL}mkdir sub; echo done > sub/a\n",
        "tests/test.sh": PASS_IF.format("grep -q done /app/sub/a")}),
    "link-as-artifact": Case({
        "task.toml": f'artifacts = ["/data", "/app/answer", "/app/broken"]\n{SEPARATE}',
        "solution/solve.sh": f"{SHELL}mkdir /real /real/sub; echo done | tee /real/sub/a > /real/b; ln -s real /data\n"
                             "ln -s /data/b answer; ln -s nothing broken\n",
        "tests/test.sh": PASS_IF.format("grep -q done /data/sub/a && [ ! -e /app/answer ] && [ ! -e /app/broken ]")}),
    "empty-at-first": Case({"task.toml": SEPARATE,
                            "solution/solve.sh": f"{SHELL}touch /logs/agent/x /logs/verifier/x\n",
                            "tests/test.sh": PASS_IF.format(
                                "[ ! -e /logs/agent/x ] && [ ! -e /logs/verifier/x ] && [ ! -e /solution ]")}),
    "variables-of-its-own": Case({
        "task.toml": f'{KEEP}[environment.env]\nA = "task"\n[verifier.env]\nB = "tests"\n'
                     '[verifier.environment]\nworkdir = "/srv"\n[verifier.environment.env]\nA = "own"\n',
        "tests/test.sh": PASS_IF.format(f'[ "$A $B $PWD" = "own tests /srv" ] && {DONE}')}),
    "folder-of-the-image": Case({
        "task.toml": f'{KEEP}[environment]\nworkdir = "/srv"\n[verifier.environment]\n',
        "tests/test.sh": PASS_IF.format(f'[ "$PWD" = /app ] && {DONE}')}),
    "image-of-its-own": Case({
        "task.toml": f"{KEEP}{SEPARATE}", "tests/Dockerfile": f"{BASE}RUN touch /mark\nCOPY . /tests\n",
        "tests/test.sh": PASS_IF.format(f"[ -e /mark ] && {DONE}")}),
}  # fmt: skip

STEPS = {
    "mean-of-steps": Case(steps("", "", "", ('{"reward": 1}', '{"reward": 0.5}')), 0.75),
    "last-step": Case(steps("multi_step_reward_strategy = 'final'\n", "", "",
                            ('{"reward": 1}', '{"reward": 0.25}')), 0.25),
    "minimum-not-met": Case(steps("", "min_reward = 0.5", "", ('{"reward": 0.4}', '{"reward": 1}')), 0.4),
    "minimum-met": Case(steps("", "min_reward = 0.4", "", ('{"reward": 0.4}', '{"reward": 1}')), 0.7),
    "minimum-of-the-last": Case(steps("multi_step_reward_strategy = 'final'\n", "min_reward = { reward = 1.0 }", "",
                                      ('{"reward": 0.5}', '{"reward": 1}')), 0.5),
    "minimum-of-another": Case(steps("", "min_reward = { a = 1, b = 0.5 }", "",
                                     ('{"reward": 0.5, "a": 1, "b": 0.4}', '{"reward": 1}')), 0.5),
    "missing-minimum": Case(steps("", "min_reward = { c = 0 }", "", ('{"reward": 0.5}', '{"reward": 1}')), 0.5),
    "prepared-steps": Case(steps("", "", "", ('{"reward": 1}', '{"reward": 1}'), **{
        "steps/first/workdir/setup.sh": "cp given prepared\n", "steps/first/workdir/given": "1\n",
        "steps/second/workdir/sub/more": "2\n", "tests/common": "3\n",
        "steps/first/tests/test.sh": PASS_IF.format("grep -q 1 prepared && grep -q 3 /tests/common"),
        "steps/second/tests/test.sh": PASS_IF.format(
            "grep -q 2 /app/sub/more && grep -q 1 prepared && [ ! -e /tests/old ] && grep -q two /app/answer"),
        "steps/first/tests/old": "", "steps/second/solution/solve.sh": f"{SHELL}echo two > answer\n"})),
    "links-in-steps": Case(steps("", "", "", ('{"reward": 1}', '{"reward": 1}'), **{
        "steps/first/workdir/real": "1\n", "steps/first/tests/expected": "1\n", "steps/first/solution/answer": "1\n",
        "steps/first/solution/solve.sh": f"{SHELL}cat /solution/link link > answer\n",
        "steps/first/tests/test.sh": PASS_IF.format('[ "$(cat link link)" = "$(cat /tests/link answer | head -2)" ]')}),
        links={f"steps/first/{name}/link": target for name, target in
               (("workdir", "real"), ("tests", "expected"), ("solution", "answer"))}),
    "artifacts-of-steps": Case(steps("", "[[steps.artifacts]]\nsource = '/app/answer'\n[steps.verifier]\n"
                                     "environment_mode = 'separate'",
                                     "[steps.verifier]\nenvironment_mode = 'separate'",
                                     ("", ""), **{
        "steps/first/tests/test.sh": PASS_IF.format(DONE),
        "steps/second/tests/test.sh": PASS_IF.format("[ ! -e /app/answer ]")})),
    "failing-preparation": Case(steps("", "", "", ("1", "1"), **{"steps/first/workdir/setup.sh": "exit 3\n"}), None),
    "user-of-a-step": Case(steps("", "[steps.agent]\nuser = 'ann'", "", ("1", "1"), **{
        "environment/Dockerfile": ANN, "steps/first/workdir/setup.sh": "whoami > prepared\n",
        "steps/first/tests/test.sh": PASS_IF.format("grep -q ann prepared && grep -q ann answer"),
        "steps/first/solution/solve.sh": f"{SHELL}whoami > answer\n",
        "steps/second/tests/test.sh": PASS_IF.format("grep -q root answer2"),
        "steps/second/solution/solve.sh": f"{SHELL}whoami > answer2\n"})),
    "separate-steps": Case(steps(f"{KEEP}", "[steps.verifier]\nenvironment_mode = 'separate'", "",
                                 ('{"reward": 1}', '{"reward": 1}'), **{
        "steps/first/tests/test.sh": PASS_IF.format("grep -q done /app/answer && [ ! -e /tmp/agent ]"),
        "steps/first/solution/solve.sh": f"{SOLVE}touch /tmp/agent\n",
        "steps/second/tests/test.sh": PASS_IF.format("[ -e /tmp/agent ]")})),
}  # fmt: skip

IMAGES = {
    "image-before-dockerfile": Case({"task.toml": '[environment]\ndocker_image = "evolve/base:python3"\n',
                                     "environment/Dockerfile": "FROM missing.example/nothing\n",
                                     "solution/solve.sh": f"{SHELL}mkdir -p /app; {SOLVE[12:]}"}),
    "continued-lines": Case({
        "environment/Dockerfile": f"# escape=\\\n{BASE}RUN true && \\\n  # a comment\n  mkdir /made\n",
                             "tests/test.sh": PASS_IF.format(f"[ -d /made ] && {DONE}")}),
    "small-letters": Case({"environment/Dockerfile": "from evolve/base:python3 as first\nrun mkdir /made\n"
                           "from evolve/base:python3\nworkdir /app\ncopy --from=first /made /made\n",
                           "tests/test.sh": PASS_IF.format(f"[ -d /made ] && {DONE}")}),
    "modes-of-files": Case({"environment/Dockerfile": f"{BASE}COPY --chown=1000:1000 given sub/ /data/\n"
                            "RUN chmod 600 /data/given\n",
                            "environment/given": "x\n", "environment/sub/deep/er": "y\n",
                            "tests/test.sh": PASS_IF.format(
                                f"[ $(stat -c %u%a /data/given) = 1000600 ] && [ -e /data/deep/er ] && {DONE}")}),
    "command-of-the-image": Case({"environment/Dockerfile": f'{BASE}CMD ["sh", "-c", "touch /started"]\n',
                                  "tests/test.sh": PASS_IF.format(f"[ ! -e /started ] && {DONE}")}),
    "shell-of-the-image": Case({
        "environment/Dockerfile": f'{BASE}SHELL ["/bin/bash", "-c"]\nRUN [[ x == x* ]] && mkdir /made\n',
                                "tests/test.sh": PASS_IF.format(f"[ -d /made ] && {DONE}")}),
    "entry-point-that-prepares": Case({
        "environment/Dockerfile": f'{BASE}COPY start /start\nRUN chmod 755 /start\nENTRYPOINT ["/start"]\n',
        "environment/start": '#!/bin/sh\necho ready > /ready\nexec "$@"\n',
        "tests/test.sh": PASS_IF.format(f"grep -q ready /ready && {DONE}")}),
}  # fmt: skip

LIMITS = {
    "tests-out-of-time": Case({"task.toml": "[verifier]\ntimeout_sec = 2\n",
                               "tests/test.sh": f"{TEST}sleep 60\n"}, None),
    "solution-out-of-time": Case({"task.toml": "[agent]\ntimeout_sec = 3\n",
                                  "solution/solve.sh": f"{SOLVE}sleep 60\n"}),
    "never-healthy": Case({
        "task.toml": '[environment.healthcheck]\ncommand = "false"\ninterval_sec = 0.2\nretries = 2\n'},
                          None),
    "shared-memory": Case({"solution/solve.sh": f"{SHELL}head -c 40000000 /dev/zero > /dev/shm/x && {SOLVE[12:]}"}),
    "open-files": Case({"solution/solve.sh": f"{SHELL}ulimit -n 8192 && {SOLVE[12:]}"}),
    "other-users": Case({"environment/Dockerfile": ANN,
                         "solution/solve.sh": f"{SHELL}su ann -c 'echo $(whoami) done' > answer\n",
                         "tests/test.sh": PASS_IF.format("grep -q 'ann done' answer")}),
    "homes": Case({"task.toml": '[agent]\nuser = "ann"\n', "environment/Dockerfile": ANN,
                   "solution/solve.sh": f"{SHELL}echo $HOME,$USER,$(umask),$PWD > answer\n",
                   "tests/test.sh": PASS_IF.format(
                       "grep -q '^/home/ann,,0022,/app$' answer && [ \"$HOME,$USER,$(umask)\" = /root,,0022 ]")}),
    "what-is-left": Case({"tests/test.sh": PASS_IF.format(
        "[ -e /solution/solve.sh ] && grep -q said /logs/agent/oracle.txt && [ -e /logs/verifier/test-stdout.txt ]"),
        "solution/solve.sh": f"{SHELL}echo said\n"}),
    "nothing-to-read": Case({"solution/solve.sh": f"{SHELL}cat > read; [ ! -s read ] && {SOLVE[12:]}"}),
    "ports": Case({
        "solution/solve.sh": f"{SHELL}python3 -c 'import socket; socket.create_server((\"\", 80))' && {SOLVE[12:]}"}),
    "owners": Case({"solution/solve.sh": f"{SHELL}touch a; chown 1234:5678 a; chmod 4750 a; mknod p p; {SOLVE[12:]}",
                    "tests/test.sh": PASS_IF.format(
                        f"[ $(stat -c %u:%g:%a a) = 1234:5678:4750 ] && [ -p p ] && {DONE}")}),
}  # fmt: skip

# `no-solution` has nothing to run, `both-images` no such folder there. What is refused here is in `harbor_tasks`.
CORPUS: Mapping[str, Case] = {
    **{name: Case(files) for name, files in USABLE.items() if name not in ("no-solution", "both-images")},
    **REWARDS, **SCRIPTS, **VARIABLES, **PHASES, **SEPARATES, **STEPS, **IMAGES, **LIMITS,
}  # fmt: skip
