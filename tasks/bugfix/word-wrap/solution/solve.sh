#!/bin/sh
set -e
cp "$(dirname "$0")/wrap.py" /app/wrap.py
