"""Drive mini-swe-agent on one task: `mini_driver.py TASK IMAGE TRIALS REPEATS`; prints JSON on its last line.

Run it with the Python of its environment. It has no verifier; a trial ends when its container is gone.
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
WAYS = {"prebuilt image, init": ["--rm", "--init", "--network", "none"], "default settings": ["--rm"]}
SLOW_TRIALS = 2
WAIT_SECONDS = 30


def trial(image, run_args):
    environment = DockerEnvironment(image=image, cwd="/app", run_args=run_args)
    model = DeterministicModel(outputs=[make_output("", [{"command": command}]) for command in COMMANDS])
    agent = DefaultAgent(model, environment, system_template="Help.", instance_template="{{task}}")
    result = agent.run("Write 42 into answer.txt.")
    if "42" not in str(result):
        raise SystemExit(f"a trial of the trivial task did not pass: {result}")
    container = environment.container_id
    environment.cleanup()
    environment.container_id = None
    return container


def wait_until_gone(containers):
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        listing = subprocess.run(["docker", "ps", "-aq", "--no-trunc"], capture_output=True, text=True, check=True)
        if not set(listing.stdout.split()) & set(containers):
            return
        time.sleep(0.05)
    raise SystemExit(f"containers were not removed within {WAIT_SECONDS} s")


def run(image, run_args, jobs, trials):
    """Wall-clock seconds per trial, until the last container is gone."""
    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        containers = list(pool.map(lambda _: trial(image, run_args), range(trials)))
    wait_until_gone(containers)
    return (time.monotonic() - began) / trials


def measure(image, trials, repeats):
    figures = {way: {} for way in WAYS}
    for jobs in (1, 2):
        way = "prebuilt image, init"
        run(image, WAYS[way], jobs, jobs)
        figures[way][str(jobs)] = [run(image, WAYS[way], jobs, trials) for _ in range(repeats)]
    figures["default settings"]["1"] = [run(image, WAYS["default settings"], 1, SLOW_TRIALS)]
    return figures


def main():
    _, image, trials, repeats = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):
        figures = measure(image, int(trials), int(repeats))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
