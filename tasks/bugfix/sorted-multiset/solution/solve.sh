#!/bin/sh
set -e
cp "$(dirname "$0")/multiset.py" /app/multiset.py
