#!/bin/sh
set -e
cp "$(dirname "$0")/durations.py" /app/durations.py
