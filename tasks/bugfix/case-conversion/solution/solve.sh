#!/bin/sh
set -e
cp "$(dirname "$0")/cases.py" /app/cases.py
