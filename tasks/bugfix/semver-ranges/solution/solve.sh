#!/bin/sh
set -e
cp "$(dirname "$0")/ranges.py" /app/semver/ranges.py
