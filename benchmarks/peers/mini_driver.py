"""Drives mini-swe-agent on one task: `mini_driver.py TASK IMAGE TRIALS REPEATS`; prints JSON on its last line.

Run by the Python of its environment. It has no verifier; a trial ends here when its container is gone.
"""

import contextlib
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from minisweagent.agents.default import DefaultAgent
from minisweagent.environments.docker import DockerEnvironment
from minisweagent.models.test_models import DeterministicModel, make_output

COMMANDS = ("echo 42 > answer.txt", "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT; cat answer.txt")
WAYS = {"image given, init": ["--rm", "--init", "--network", "none"], "as it comes": ["--rm"]}
SLOW_TRIALS = 2
WAIT_SECONDS = 30


def trial(image, run_args):
    environment = DockerEnvironment(image=image, cwd="/app", run_args=run_args)
    model = DeterministicModel(outputs=[make_output("", [{"command": command}]) for command in COMMANDS])
    agent = DefaultAgent(model, environment, system_template="Help.", instance_template="{{task}}")
    ended = agent.run("Write 42 into answer.txt.")
    if "42" not in str(ended):
        raise SystemExit(f"a trial of the trivial task did not pass: {ended}")
    container = environment.container_id
    environment.cleanup()
    environment.container_id = None
    return container


def wait_until_gone(containers):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        shown = subprocess.run(["docker", "ps", "-aq", "--no-trunc"], capture_output=True, text=True, check=True)
        if not set(shown.stdout.split()) & set(containers):
            return
        time.sleep(0.05)
    raise SystemExit("containers were left")


def run(image, run_args, at_once, trials):
    """Wall-clock seconds per trial, until the last container is gone."""
    began = time.monotonic()
    with ThreadPoolExecutor(at_once) as pool:
        containers = list(pool.map(lambda _: trial(image, run_args), range(trials)))
    wait_until_gone(containers)
    return (time.monotonic() - began) / trials


def measure(image, trials, repeats):
    found = {way: {} for way in WAYS}
    for at_once in (1, 2):
        way = "image given, init"
        run(image, WAYS[way], at_once, at_once)
        found[way][str(at_once)] = [run(image, WAYS[way], at_once, trials) for _ in range(repeats)]
    found["as it comes"]["1"] = [run(image, WAYS["as it comes"], 1, SLOW_TRIALS)]
    return found


def main():
    _, image, trials, repeats = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):
        found = measure(image, int(trials), int(repeats))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
