#!/bin/sh
set -e
cp "$(dirname "$0")/combos.py" /app/combos.py
