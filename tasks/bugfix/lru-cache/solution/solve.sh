#!/bin/sh
set -e
cp "$(dirname "$0")/lrucache.py" /app/lrucache.py
