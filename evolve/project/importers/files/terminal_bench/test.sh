#!/bin/sh
# Run the task's own tests, and read their results as the first generation does. For `pytest` at least one test in its
# summary must have passed and none failed; `swebench` is one word between two lines.
parser=pytest
export TEST_DIR=/tests T_BENCH_TEST_DIR=/tests
mkdir -p /logs/verifier
echo 0 >/logs/verifier/reward.txt
output=/logs/verifier/run-tests.txt
if command -v bash >/dev/null 2>&1; then shell=bash; else shell=sh; fi
$shell /tests/run-tests.sh >"$output" 2>&1
cat "$output"
passed=no failed=no within=no
while IFS= read -r line || [ -n "$line" ]; do
    case $parser:$line in
        "pytest:"*=*"short test summary info"*=*) within=yes ;;
        "pytest:PASSED "*) [ $within = yes ] && passed=yes ;;
        "pytest:FAILED "* | "pytest:ERROR "*) [ $within = yes ] && failed=yes ;;
        "swebench:SWEBench results starts here"*) within=yes ;;
        "swebench:SWEBench results ends here"*) within=no ;;
        "swebench:PASSED") [ $within = yes ] && passed=yes ;;
        "swebench:FAILED") [ $within = yes ] && failed=yes ;;
    esac
done <"$output"
if [ $passed = yes ] && [ $failed = no ]; then
    echo 1 >/logs/verifier/reward.txt
fi
