#!/bin/sh
set -e
cp "$(dirname "$0")/bases.py" /app/bases.py
