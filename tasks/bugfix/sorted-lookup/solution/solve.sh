#!/bin/sh
set -e
cp "$(dirname "$0")/lookup.py" /app/lookup.py
