#!/bin/sh
set -e
cp "$(dirname "$0")/editscript.py" /app/editscript.py
