#!/bin/sh
set -e
cp "$(dirname "$0")/joins.py" /app/mergejoin/joins.py
