#!/bin/sh
set -e
cp "$(dirname "$0")/treepath.py" /app/treepath.py
