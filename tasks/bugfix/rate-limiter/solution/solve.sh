#!/bin/sh
set -e
cp "$(dirname "$0")/ratelimit.py" /app/ratelimit.py
