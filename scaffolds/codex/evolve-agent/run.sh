#!/bin/sh
# Let Codex CLI work on a task, with the instructions and skills of this scaffold in a folder of its own.
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

mkdir "$HOME/.codex"
gather "$HOME/.codex"
cp "$here/config.toml" "$HOME/.codex/"
exec "$tools/codex" exec --skip-git-repo-check --dangerously-bypass-approvals-and-sandbox --ephemeral \
    -c "model_providers.evolve.base_url=\"$OPENAI_BASE_URL\"" - <"$1"
