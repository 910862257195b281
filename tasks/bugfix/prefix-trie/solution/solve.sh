#!/bin/sh
set -e
cp "$(dirname "$0")/trie.py" /app/trie.py
