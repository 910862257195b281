#!/bin/sh
set -e
cp "$(dirname "$0")/columns.py" /app/columns.py
