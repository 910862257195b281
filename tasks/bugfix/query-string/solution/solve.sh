#!/bin/sh
set -e
cp "$(dirname "$0")/querystring.py" /app/querystring.py
