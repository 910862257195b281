#!/bin/sh
set -e
cp "$(dirname "$0")/logrecords.py" /app/logrecords.py
