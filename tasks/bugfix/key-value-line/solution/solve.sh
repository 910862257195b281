#!/bin/sh
set -e
cp "$(dirname "$0")/kvline.py" /app/kvline.py
