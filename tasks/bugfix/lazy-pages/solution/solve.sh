#!/bin/sh
set -e
cp "$(dirname "$0")/paginate.py" /app/paginate.py
