#!/bin/sh
# Writes one instance of this task into the current directory; the seed is the only argument.
# The same seed must always give the same files. Docs: docs/tasks.md, "Generated instances".
exec python3 "$(dirname "$0")/generate.py" "$1"
