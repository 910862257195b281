#!/bin/sh
set -e
cp "$(dirname "$0")/ages.py" /app/ages.py
