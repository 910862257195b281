#!/bin/sh
set -e
cp "$(dirname "$0")/csvline.py" /app/csvline.py
