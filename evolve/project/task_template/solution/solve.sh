#!/bin/sh
set -e
cp "$(dirname "$0")/greeting.py" /app/greeting.py
