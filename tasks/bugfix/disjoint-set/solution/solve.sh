#!/bin/sh
set -e
cp "$(dirname "$0")/disjoint.py" /app/disjoint.py
