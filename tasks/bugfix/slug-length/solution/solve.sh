#!/bin/sh
set -e
cp "$(dirname "$0")/slugs.py" /app/slugs.py
