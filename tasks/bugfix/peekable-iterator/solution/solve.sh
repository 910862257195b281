#!/bin/sh
set -e
cp "$(dirname "$0")/peekable.py" /app/peekable.py
