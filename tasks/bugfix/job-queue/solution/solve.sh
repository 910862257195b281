#!/bin/sh
set -e
cp "$(dirname "$0")/jobqueue.py" /app/jobqueue.py
