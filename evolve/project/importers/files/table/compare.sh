#!/bin/sh
# Usage: compare.sh FILE exact|stripped|number TOLERANCE. The reward is 1 if FILE holds what /tests/expected says.
answer=$1 mode=$2 tolerance=$3
mkdir -p /logs/verifier
echo 0 >/logs/verifier/reward.txt

fail() {
    echo "$1"
    exit 0
}

# A link could lead to the expected answer.
[ "$(readlink -f -- "$answer")" = "$answer" ] && [ -f "$answer" ] || fail "$answer is missing, or no regular file"
[ "$(wc -c <"$answer")" -le 4000000 ] || fail "$answer has more than 4 MB"

# A text without white space at its beginning and end.
stripped() {
    awk '{ text = text $0 "\n" } END { gsub(/^[ \t\r\n\f\v]+|[ \t\r\n\f\v]+$/, "", text); printf "%s", text }' "$1"
}

case $mode in
    exact) cmp -s "$answer" /tests/expected && equal=yes ;;
    stripped) [ "$(stripped "$answer")" = "$(stripped /tests/expected)" ] && equal=yes ;;
    number)
        given=$(stripped "$answer") expected=$(stripped /tests/expected)
        printf '%s\n%s\n%s\n' "$given" "$expected" "$tolerance" | LC_ALL=C awk '
            NR == 1 { valid = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/ && length($0) < 1000 }
            {
                value[NR] = $0 + 0
                whole[NR] = /^[+-]?[0-9]+$/
                sub(/^\+/, "")
                sub(/^0+/, "")
                digits[NR] = "x" $0
            }
            END {
                far = value[1] - value[2]
                if (far < 0) far = -far
                size = value[2] < 0 ? -value[2] : value[2]
                # Doubles are not exact: the last digits of a difference are left out of account.
                near = far <= value[3] + 4e-15 * size
                # Whole numbers of any length are compared digit by digit.
                if (value[3] == 0 && whole[1] && whole[2] && size > 9e15) near = digits[1] == digits[2]
                exit !(valid && NR == 3 && near)
            }' && equal=yes
        ;;
esac
[ "${equal:-no}" = yes ] || fail "the answer is wrong"
echo 1 >/logs/verifier/reward.txt
