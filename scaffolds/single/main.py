"""One agent that mends one bug: a conversation with tools, until it submits or its steps are used up."""

import json

import evolve_door as door
from settings import SETTINGS, prompt
from tools import TOOLS, call_tool


def first_messages(task):
    """The conversation's start: who the model is, and what is to be done."""
    words = prompt("task").format(workdir=task["workdir"], instruction=task["instruction"])
    return [{"role": "system", "content": prompt("system")}, {"role": "user", "content": words}]


def solve(task):
    """Talk with the model and carry out its tool calls."""
    messages = first_messages(task)
    for _ in range(SETTINGS["agent"]["max_steps"]):
        reply = door.chat(messages, TOOLS, temperature=SETTINGS["agent"]["temperature"])
        messages.append(reply)
        calls = reply.get("tool_calls") or []
        if not calls:
            messages.append({"role": "user", "content": prompt("continue")})
        for call in calls:
            name = call["function"]["name"]
            if name == "submit":
                return
            arguments = json.loads(call["function"]["arguments"])
            result = call_tool(name, arguments)
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})


def main():
    """Work until the end, or until the host says that no more can be had."""
    try:
        solve(door.task())
    except door.DoorError as error:
        print(f"stopped: {error.code} {error.message}")


if __name__ == "__main__":
    main()
