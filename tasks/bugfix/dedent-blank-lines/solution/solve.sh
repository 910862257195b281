#!/bin/sh
set -e
cp "$(dirname "$0")/blocks.py" /app/blocks.py
