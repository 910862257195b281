#!/bin/sh
set -e
cp "$(dirname "$0")/sizes.py" /app/sizes.py
