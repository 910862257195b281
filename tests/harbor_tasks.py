"""Small tasks in the format of Harbor, one for each feature, and each valid for Harbor; `write` makes one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

BASE = "FROM evolve/base:python3\nWORKDIR /app\n"
PASS_IF = "#!/bin/bash\nif {}; then echo 1 > /logs/verifier/reward.txt; else echo 0 > /logs/verifier/reward.txt; fi\n"
TEST = PASS_IF.format("grep -q done /app/answer")
SOLVE = "#!/bin/bash\necho done > /app/answer\n"
PLAIN: Mapping[str, str] = {
    "task.toml": "",
    "instruction.md": "Write `done` into /app/answer.\n",
    "environment/Dockerfile": BASE,
    "tests/test.sh": TEST,
    "solution/solve.sh": SOLVE,
}
# A separate verifier gets declared artifacts only.
KEEP = 'artifacts = ["/app/answer"]\n'
STEPS = """[[steps]]
name = "first"
min_reward = 0.5
[[steps]]
name = "second"
[steps.verifier]
timeout_sec = 30
"""

# By name: the files that differ from PLAIN; "" for a file that is not there. All can be used.
USABLE: Mapping[str, Mapping[str, str]] = {
    "plain": {},
    "long-agent": {"task.toml": "[agent]\ntimeout_sec = 12000\n"},
    "long-build": {"task.toml": "[environment]\nbuild_timeout_sec = 1800\n"},
    "environment-env": {
        "task.toml": '[environment.env]\nCOLOUR = "blue"\n',
        "tests/test.sh": PASS_IF.format('[ "$COLOUR" = blue ] && grep -q done /app/answer'),
    },
    "solution-env": {
        "task.toml": '[solution.env]\nWORD = "done"\n',
        "solution/solve.sh": "#!/bin/bash\necho $WORD > /app/answer\n",
    },
    "verifier-env": {
        "task.toml": '[verifier.env]\nWORD = "done"\n',
        "tests/test.sh": PASS_IF.format('grep -q "$WORD" /app/answer'),
    },
    "defaults-of-templates": {
        "task.toml": '[environment.env]\nA = "${EVOLVE_A:-one}"\n[solution.env]\nB = "${EVOLVE_B:-}done"\n'
        'C = "${EVOLVE_C:-done}"\n[verifier.env]\nD = "${EVOLVE_D:-}"\n',
        "solution/solve.sh": '#!/bin/bash\n[ "$A" = one ] && echo $C > /app/answer\n',
        "tests/test.sh": PASS_IF.format('[ "$A$D" = one ] && grep -q done /app/answer'),
    },
    "no-solution": {"solution/solve.sh": ""},
    "artifacts": {
        "task.toml": 'artifacts = ["/app/answer", { source = "/logs/x", destination = "x", exclude = ["*.o"] }]\n'
    },
    "verifier-image": {
        "task.toml": '[verifier]\nenvironment_mode = "separate"\n',
        "tests/Dockerfile": f"{BASE}COPY . /tests\n",
        "tests/test.sh": PASS_IF.format("grep -q done /logs/artifacts/answer"),
        "solution/solve.sh": "#!/bin/bash\nmkdir -p /logs/artifacts && echo done > /logs/artifacts/answer\n",
    },
    "verifier-environment": {"task.toml": f"{KEEP}[verifier.environment]\nmemory_mb = 256\n"},
    "steps": {
        "task.toml": STEPS,
        "instruction.md": "",
        "steps/first/instruction.md": "First.\n",
        "steps/first/tests/test.sh": TEST,
        "steps/first/solution/solve.sh": SOLVE,
        "steps/second/instruction.md": "Second.\n",
        "steps/second/workdir/setup.sh": "echo set up\n",
    },
    "collect": {"task.toml": '[[verifier.collect]]\ncommand = "cp /app/answer /logs/artifacts/answer"\n'},
    "healthcheck": {"task.toml": '[environment.healthcheck]\ncommand = "true"\nretries = 1\n'},
    "no-network": {"task.toml": '[environment]\nnetwork_mode = "no-network"\n'},
    "allowlist": {
        "task.toml": '[environment]\nnetwork_mode = "allowlist"\nallowed_hosts = ["pypi.org", "*.debian.org", '
        '"10.0.0.0/8"]\n[agent]\nnetwork_mode = "public"\n'
    },
    "network-by-phase": {
        "task.toml": f'{KEEP}[agent]\nnetwork_mode = "no-network"\n[verifier]\nenvironment_mode = "separate"\n'
    },
    "ready-image": {
        "task.toml": '[environment]\ndocker_image = "evolve/base:python3"\n',
        "environment/Dockerfile": "",
        "environment/notes.txt": "loose\n",
        "solution/solve.sh": "#!/bin/bash\nmkdir -p /app && echo done > /app/answer\n",
    },
    "both-images": {
        "task.toml": '[environment]\ndocker_image = "evolve/base:python3"\nworkdir = "/app"\n',
        "environment/Dockerfile": "FROM missing.example/nothing\n",
    },
    "workdir": {
        "task.toml": '[environment]\nworkdir = "/work"\n',
        "environment/Dockerfile": f"{BASE}RUN mkdir /work\n",
    },
    "no-workdir": {"environment/Dockerfile": "FROM evolve/base:python3\nRUN mkdir /app\n"},
    "user": {"environment/Dockerfile": f"{BASE}RUN useradd -m ann && chown ann /app\nUSER ann\n"},
    "agent-user": {
        "task.toml": '[agent]\nuser = "ann"\n',
        "environment/Dockerfile": f"{BASE}RUN useradd -m ann && chown ann /app\n",
    },
    "user-number": {
        "task.toml": "[agent]\nuser = 1000\n[verifier]\nuser = 0\n",
        "environment/Dockerfile": f"{BASE}RUN chmod 777 /app\n",
    },
    "entrypoint": {"environment/Dockerfile": f'{BASE}ENTRYPOINT ["env", "STARTED=1"]\n'},
    "volume": {"environment/Dockerfile": f"{BASE}VOLUME /data\n"},
    "image-env": {"environment/Dockerfile": f"{BASE}ENV COLOUR=blue\n"},
    "own-base": {"environment/Dockerfile": "ARG BASE=evolve/base:python3\nFROM ${BASE}\nWORKDIR /app\nARG BASE\n"},
    "asked-base": {"environment/Dockerfile": "ARG BASE=python:3.11-slim\nFROM ${BASE}\nWORKDIR /app\n"},
    "platform": {
        "environment/Dockerfile": f'{BASE}ARG TARGETARCH\nRUN [ -n "$TARGETARCH" ] && echo "$TARGETARCH" > /arch\n'
    },
    "ignored-files": {
        "environment/Dockerfile": f"{BASE}COPY . /app/\n",
        "environment/.dockerignore": "# secret\nanswer*\n!answer.txt\n",
        "environment/answer.key": "42\n",
        "environment/answer.txt": "no\n",
    },
    "comment-first": {
        "tests/test.sh": "\n# a comment\n#!/bin/bash\n[[ -f /app/answer ]]\n" + TEST.partition("\n")[2]
    },
    "number-as-difficulty": {"task.toml": "[metadata]\ndifficulty = 3\n"},
    "old-spellings": {
        "task.toml": 'version = "1.0"\n[environment]\nmemory = "2G"\nstorage = "10G"\nallow_internet = false\n'
    },
    "no-gpu": {"task.toml": '[environment]\ngpus = 0\ngpu_types = ["H100"]\n'},
    "canary": {"instruction.md": "<!-- benchmark canary GUID 1 -->\n# canary 2\n\nWrite `done`.\n"},
    "compose-main": {
        "environment/docker-compose.yaml": "services:\n  main:\n    environment: "
        "['WORD=${ENV_AGENT_LOGS_PATH:-/logs/agent}', 'NONE=${TEST_DIR:-}']\n",
        "tests/test.sh": PASS_IF.format('[ "$WORD$NONE" = /logs/agent ] && grep -q done /app/answer'),
    },
    "compose-services": {
        "environment/docker-compose.yaml": "services:\n  main:\n    depends_on: [side]\n    volumes: ['data:/d']\n"
        "  side:\n    image: evolve/base:python3\n    command: [sh, -c, 'touch /d/side; exec sleep infinity']\n"
        "    volumes: ['data:/d']\nvolumes:\n  data:\n",
        "task.toml": "artifacts = [{ source = '/d', service = 'side' }]\n",
        "solution/solve.sh": "#!/bin/bash\n[ -e /d/side ] && echo done > /app/answer\n",
    },
    "compose-extends": {
        "environment/docker-compose.yaml": "services:\n  main:\n    extends: {file: more/base.yaml, service: base}\n"
        "    environment: [B=2]\n",
        "environment/more/base.yaml": "services:\n  base:\n    environment: {A: '${ONE}', B: 9}\n"
        "    volumes: ['./data:/data:ro']\n",
        "environment/more/data/word": "done\n", "environment/.env": "ONE=1\n",
        "solution/solve.sh": '#!/bin/bash\n[ "$A$B" = 12 ] && cat /data/word > /app/answer\n',
    },
    "compose-include": {
        "environment/docker-compose.yaml": "include: [more/side.yaml]\nservices:\n  main:\n    depends_on: [side]\n"
        "    volumes: ['data:/data']\n",
        "environment/more/side.yaml": "services:\n  side:\n    image: evolve/base:python3\n"
        "    command: [sh, -c, 'cp /own/word /data/word; exec sleep infinity']\n"
        "    volumes: ['data:/data', './own:/own:ro']\nvolumes:\n  data:\n",
        "environment/more/own/word": "done\n",
        "solution/solve.sh": "#!/bin/bash\nfor i in $(seq 50); do [ -e /data/word ] || sleep 0.1; done\n"
        "cat /data/word > /app/answer\n",
    },
    "compose-files": {
        "environment/docker-compose.yaml": "services:\n  main:\n    env_file: word.env\n    secrets: [key]\n"
        "    configs: [{source: conf, target: /etc/conf}]\n"
        "secrets: {key: {file: key}}\nconfigs: {conf: {file: ./conf}}\n",
        "environment/word.env": "WORD='blue' # a colour\n", "environment/key": "k", "environment/conf": "c",
        "tests/test.sh": PASS_IF.format(
            '[ "$WORD$(cat /run/secrets/key /etc/conf)" = bluekc ] && grep -q done /app/answer'
        ),
    },
    "mcp": {
        "task.toml": '[[environment.mcp_servers]]\nname = "m"\ntransport = "stdio"\ncommand = "serve"\nargs = ["-x"]\n'
    },
    "free-tables": {
        "task.toml": 'source = "here"\n[task]\nname = "org/name"\n[metadata]\nauthor = { name = "x" }\n'
    },
}  # fmt: skip

# By name: the files, and what names the reason. All are valid for Harbor, and refused here.
REFUSED: Mapping[str, tuple[Mapping[str, str], str]] = {
    "gpus": ({"task.toml": "[environment]\ngpus = 1\n"}, "key `environment.gpus`"),
    "tpu": ({"task.toml": '[environment.tpu]\ntype = "v4"\ntopology = "2x2"\n'}, "key `environment.tpu`"),
    "windows": ({"task.toml": '[environment]\nos = "Windows"\n', "tests/test.bat": "exit"}, "key `environment.os`"),
    "mcp-with-a-key": (
        {"task.toml": '[[environment.mcp_servers]]\nname = "m"\ntransport = "http"\nurl = "http://m"\n'
                      'headers = { Authorization = "Bearer ${TOKEN}" }\n'},
        "key `environment.mcp_servers.headers.Authorization`",
    ),
    "absent-service": (
        {"task.toml": '[[verifier.collect]]\ncommand = "true"\nservice = "db"\n'}, "key `verifier.collect.service`"
    ),
    "artifact-of-absent-service": (
        {"task.toml": '[[artifacts]]\nsource = "/x"\nservice = "db"\n'}, "key `artifacts.service`"
    ),
    "host-variable": ({"task.toml": '[environment.env]\nKEY = "${KEY}"\n'}, "key `environment.env.KEY`"),
    "host-variable-of-tests": (
        {"task.toml": '[verifier.env]\nKEY = "${KEY}"\n'}, "only a separate verifier may have"
    ),
    "template-as-default": ({"task.toml": '[solution.env]\nKEY = "${KEY:-${B}}"\n'}, "can't be a template"),
    "compose-privileged": (
        {"environment/docker-compose.yaml": "services:\n  main:\n    privileged: true\n"}, "the key `privileged`"
    ),
    "compose-host-folder": (
        {"environment/docker-compose.yaml": "services:\n  main:\n    volumes: ['/etc:/x']\n"},
        "`/etc` is a path of the host",
    ),
    "conversation": ({"trajectory.json": "{}"}, "trajectory.json: "),
    "ignore-rules": ({"tests/.harborignore": "x\n"}, ".harborignore: "),
    "networks-in-one-container": (
        {"task.toml": '[agent]\nnetwork_mode = "no-network"\n[verifier]\nenvironment_mode = "live"\n'},
        "share a container, but not its network",
    ),
}  # fmt: skip


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write a task: PLAIN with these files in the place of its own, and without those that are empty."""
    for name, text in {**PLAIN, **files}.items():
        if text or name == "task.toml":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    (folder / "environment").mkdir(exist_ok=True)
    return folder
