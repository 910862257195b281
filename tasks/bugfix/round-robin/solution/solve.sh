#!/bin/sh
set -e
cp "$(dirname "$0")/roundrobin.py" /app/roundrobin.py
