#!/bin/sh
set -e
cp "$(dirname "$0")/flatten.py" /app/flatten.py
