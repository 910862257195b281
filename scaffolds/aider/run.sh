#!/bin/sh
# Let Aider work on a task, with the conventions and settings of this scaffold. Argument: the file with the task's
# instruction. In a repository it sees a map of it; elsewhere it gets the files of the folder, if they are few and short.
set -eu
top=$(cd "$(dirname "$0")" && pwd)
instruction=$1
# The same path in each trial, since what the tool says to the model has it.
HOME=/tmp/agent-home
rm -rf "$HOME"
mkdir -p "$HOME/.aider/caches"
export HOME
# In place of the list of prices, which it would download.
echo '{"none": {}}' >"$HOME/.aider/caches/model_prices_and_context_window.json"
export LITELLM_LOCAL_MODEL_COST_MAP=True
# A message that begins with a slash would be a command of the tool.
{ printf 'The task:\n\n' && cat "$instruction"; } >"$HOME/message.md"

give_files() { # Writes options
    find . -type d \( -name '.?*' -o -name __pycache__ -o -name node_modules \) -prune -o \
        -type f ! -name '.*' -size -40k -print | sort >"$HOME/found"
    if [ "$(wc -l <"$HOME/found")" -le 40 ]; then
        while IFS= read -r file; do
            if grep -qI . "$file"; then echo "--file=$file"; fi
        done <"$HOME/found" >"$HOME/options"
    fi
}

: >"$HOME/options"
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    echo --no-auto-commits >"$HOME/options"
    map=$(git rev-parse --show-toplevel)/.aider.tags.cache.v4
else
    give_files
    echo --no-git >>"$HOME/options"
fi
while IFS= read -r option; do set -- "$@" "$option"; done <"$HOME/options"
shift
/opt/agent/bin/aider --config "$top/aider.conf.yml" --read "$top/CONVENTIONS.md" --message-file "$HOME/message.md" \
    --model openai/evolve --yes-always --no-pretty --no-fancy-input --no-check-update --no-show-release-notes \
    --analytics-disable --no-show-model-warnings --no-gitignore --no-dirty-commits --no-detect-urls --env-file /dev/null \
    --chat-history-file "$HOME/chat.md" --input-history-file "$HOME/input.txt" "$@"
if [ -n "${map-}" ]; then rm -rf "$map"; fi
