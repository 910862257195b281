#!/bin/sh
# Let opencode work on a task, with the instructions and skills of this scaffold in a folder of its own.
# Argument: the file with the task's instruction.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
tools=${AGENT_TOOLS:-/opt/agent}
# The same path in each trial, since what the tool says to the model has it.
HOME=/tmp/agent-home
rm -rf "$HOME"
mkdir "$HOME"
export HOME

# The instructions and skills, wherever projects keep them, where the tool reads them.
gather() { # FOLDER
    for name in AGENTS.md CLAUDE.md GEMINI.md QWEN.md; do
        if [ -f "$top/$name" ]; then cat "$top/$name"; fi
    done >"$1/AGENTS.md"
    mkdir "$1/skills"
    for name in skills .agents/skills .claude/skills .codex/skills .gemini/skills .opencode/skills .qwen/skills; do
        if [ -d "$top/$name" ]; then cp -R "$top/$name/." "$1/skills/"; fi
    done
}

mkdir -p "$HOME/.config/opencode"
gather "$HOME/.config/opencode"
cp "$here/opencode.json" "$HOME/.config/opencode/"
for name in agents commands; do
    if [ -d "$top/.opencode/$name" ]; then cp -R "$top/.opencode/$name" "$HOME/.config/opencode/"; fi
done
unset XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_STATE_HOME
export OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_LSP_DOWNLOAD=1
exec "$tools/opencode" run --auto --title task <"$1"
