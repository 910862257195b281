#!/bin/sh
set -e
cp "$(dirname "$0")/workflow.py" /app/workflow.py
