#!/bin/sh
set -e
cp "$(dirname "$0")/titlecase.py" /app/titlecase.py
