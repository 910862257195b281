#!/bin/sh
set -e
cp "$(dirname "$0")/windows.py" /app/windows.py
