#!/bin/sh
set -e
cp "$(dirname "$0")/ringbuffer.py" /app/ringbuffer.py
