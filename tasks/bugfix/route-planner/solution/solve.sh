#!/bin/sh
set -e
cp "$(dirname "$0")/routes.py" /app/routes.py
