"""A team that mends one bug: a planner, a coder, and a reviewer who sends the work back until it is right."""

import evolve_door as door
import tools
from role import Role
from settings import SETTINGS, prompt


def team():
    """The roles; each has a conversation of its own for the whole task."""
    return (
        Role("planner", tools.LOOK, tools.tool("submit_plan", "Nothing is wrong: there is nothing to plan.")),
        Role("coder", [*tools.LOOK, tools.EDIT], tools.tool("submit", "Hand in the work for review.")),
        Role("reviewer", tools.LOOK, tools.tool("submit_approval", "The work is right.")),
    )


def solve(task):
    """Plan once, then code and review in turn; after a review that objects, the coder begins anew."""
    planner, coder, reviewer = team()
    words = prompt("task").format(workdir=task["workdir"], instruction=task["instruction"])
    _, plan = planner.work(words)
    order = prompt("plan").format(task=words, plan=plan)
    for _ in range(SETTINGS["team"]["reviews"]):
        coder.work(order)
        values = {"task": words, "files": tools.changed_files(), "tests": tools.run_tests()}
        approved, objections = reviewer.work(prompt("review").format(**values))
        if approved:
            return
        tools.put_back()
        order = prompt("again").format(objections=objections)


def main():
    """Work until the end, or until the host says that no more can be had."""
    try:
        solve(door.task())
    except door.DoorError as error:
        print(f"stopped: {error.code} {error.message}")


if __name__ == "__main__":
    main()
