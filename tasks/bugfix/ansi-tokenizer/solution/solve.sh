#!/bin/sh
set -e
cp "$(dirname "$0")/tokenizer.py" /app/ansi/tokenizer.py
