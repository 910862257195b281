"""What each role may do in the task's container, as tools of the chat-completions API."""

import evolve_door as door
from settings import SETTINGS

PATH = {"type": "string", "description": "path of the file, relative to the project"}
WORDS = {"type": "string", "description": "in plain words"}
BEFORE = {}


def tool(name, description, **properties):
    """A tool all of whose parameters are required."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


LOOK = [
    tool("list_files", "List the Python files of the project."),
    tool("read_file", "Read one file of the project.", path=PATH),
    tool("run_tests", "Run the project's tests and show their output."),
]
EDIT = tool(
    "edit",
    "Replace a piece of text in a file.",
    path=PATH,
    old={"type": "string", "description": "the text to replace, exactly as it stands in the file"},
    new={"type": "string", "description": "the text to put in its place"},
)


def list_files():
    """The paths of the project's Python files, one on a line."""
    return door.run("find . -name '*.py' | sort").stdout


def read_file(path):
    """The text of a file."""
    return door.read(path)


def run_tests():
    """What the tests print, its end where it is long."""
    return door.run("python3 -m unittest 2>&1", timeout=SETTINGS["tools"]["test_seconds"]).stdout[
        -SETTINGS["tools"]["output_chars"] :
    ]


def edit(path, old, new):
    """Replace `old` by `new`, once, and say what became of it."""
    text = door.read(path)
    if old not in text:
        return f"error: the old text is not in {path}"
    BEFORE.setdefault(path, text)
    door.write(path, text.replace(old, new, 1))
    return f"edited {path}"


def changed_files():
    """The files that were edited, as they are now, for whoever judges the work."""
    return "\n".join(f'<file path="{path}">\n{door.read(path)}\n</file>' for path in sorted(BEFORE))


def put_back():
    """Undo all edits."""
    for path, text in BEFORE.items():
        door.write(path, text)
    BEFORE.clear()


ACTIONS = {"list_files": list_files, "read_file": read_file, "run_tests": run_tests, "edit": edit}


def call_tool(name, arguments):
    """Carry out one tool call; whatever is wrong with it is told to the model."""
    try:
        return ACTIONS[name](**arguments)
    except (KeyError, TypeError) as error:
        return f"error: {name}: {error}"
    except door.DoorError as error:
        if error.code == "budget":
            raise
        return f"error: {error.message}"
