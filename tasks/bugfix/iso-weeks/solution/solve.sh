#!/bin/sh
set -e
cp "$(dirname "$0")/isoweeks.py" /app/isoweeks.py
