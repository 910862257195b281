#!/bin/sh
set -e
cp "$(dirname "$0")/schedule.py" /app/cron/schedule.py
