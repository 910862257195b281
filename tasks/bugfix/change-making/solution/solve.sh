#!/bin/sh
set -e
cp "$(dirname "$0")/change.py" /app/change.py
