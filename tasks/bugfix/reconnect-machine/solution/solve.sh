#!/bin/sh
set -e
cp "$(dirname "$0")/reconnect.py" /app/reconnect.py
