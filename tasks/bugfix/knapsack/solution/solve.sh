#!/bin/sh
set -e
cp "$(dirname "$0")/knapsack.py" /app/knapsack.py
