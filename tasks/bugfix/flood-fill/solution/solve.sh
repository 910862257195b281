#!/bin/sh
set -e
cp "$(dirname "$0")/floodfill.py" /app/floodfill.py
