#!/bin/sh
set -e
cp "$(dirname "$0")/iniconf.py" /app/iniconf.py
