#!/bin/sh
# The reward is 1 if the task's check ends with status 0, in the working directory.
mkdir -p /logs/verifier
echo 0 >/logs/verifier/reward.txt
if sh /tests/check.sh; then
    echo 1 >/logs/verifier/reward.txt
fi
