#!/bin/sh
set -e
cp "$(dirname "$0")/vending.py" /app/vending.py
