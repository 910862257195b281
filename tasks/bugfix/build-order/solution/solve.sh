#!/bin/sh
set -e
cp "$(dirname "$0")/depgraph.py" /app/depgraph.py
