#!/bin/sh
set -e
cp "$(dirname "$0")/rangemap.py" /app/rangemap/rangemap.py
