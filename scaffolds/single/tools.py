"""The tools that the model is offered, and what each does in the task's container."""

import evolve_door as door
from settings import SETTINGS

originals = {}

PATH = {"type": "string", "description": "path of the file, relative to the project"}


def tool(name, description, properties):
    """A tool in the form of the chat-completions API; all of its parameters are required."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


TOOLS = [
    tool("list_files", "List the Python files of the project.", {}),
    tool("read_file", "Read one file of the project.", {"path": PATH}),
    tool("run_tests", "Run the project's tests and show their output.", {}),
    tool(
        "edit",
        "Replace a piece of text in a file.",
        {
            "path": PATH,
            "old": {"type": "string", "description": "the text to replace, exactly as it stands in the file"},
            "new": {"type": "string", "description": "the text to put in its place"},
        },
    ),
    tool("submit", "Hand in the work: the bug is fixed.", {}),
]


def list_files():
    """The paths of the project's Python files, one on a line."""
    return door.run("find . -name '*.py' | sort").stdout


def read_file(path):
    """The text of a file."""
    return door.read(path)


def run_tests():
    """What the tests print; where they fail, files that were edited since the last run are put back."""
    result = door.run("python3 -m unittest 2>&1", timeout=SETTINGS["tools"]["test_seconds"])
    output = result.stdout[: SETTINGS["tools"]["output_chars"]]
    if result.exit_code == 0 or not originals:
        return output
    for path, text in originals.items():
        door.write(path, text)
    originals.clear()
    return f"{output}\nThat was not the fix: the edited files were restored."


def edit(path, old, new):
    """Replace `old` by `new` and say what became of it."""
    text = door.read(path)
    if old not in text:
        return f"error: the old text is not in {path}"
    originals.setdefault(path, text)
    door.write(path, text.replace(old, new, 1))
    return f"edited {path}"


ACTIONS = {"list_files": list_files, "read_file": read_file, "run_tests": run_tests, "edit": edit}


def call_tool(name, arguments):
    """Carry out one tool call; whatever is wrong with it is told to the model."""
    if name not in ACTIONS:
        return f"error: there is no tool {name}"
    try:
        return ACTIONS[name](**arguments)
    except TypeError as error:
        return f"error: {error}"
    except door.DoorError as error:
        if error.code == "budget":
            raise
        return f"error: {error.message}"
