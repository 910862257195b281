#!/bin/sh
set -e
cp "$(dirname "$0")/rle.py" /app/rle.py
