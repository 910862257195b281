#!/bin/sh
set -e
cp "$(dirname "$0")/bizdays.py" /app/bizdays.py
