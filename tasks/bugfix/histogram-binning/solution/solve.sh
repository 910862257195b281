#!/bin/sh
set -e
cp "$(dirname "$0")/histogram.py" /app/histogram.py
