#!/usr/bin/env bash
# Takes away one protection after the other, in a copy, and expects its test to go red: tests/protections/prove.sh [CLASS…]
# A test that stays green proves nothing. Takes about a minute for each line of protections.tsv.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git -C "$root" ls-files -z --cached --others --exclude-standard | (cd "$root" && xargs -0 cp --parents -t "$copy" 2>/dev/null)
cd "$copy"
green=0
while IFS=$'\t' read -r file from to project class lost; do
  case $file in \#*|'') continue ;; esac
  [ "$to" != '(nothing)' ] || to=''
  [ $# -eq 0 ] || [[ " $* " == *" $class "* ]] || continue
  cp "$file" "$copy/original"
  FROM=$from TO=$to perl -0pi -e '
    BEGIN { $from = join q(\s+), map quotemeta, split(/\s+/, $ENV{FROM}, -1) } s/$from/$ENV{TO}/' "$file"
  line=$(diff "$copy/original" "$file" | sed -nE '1s/^([0-9]+).*/\1/p')
  if [ -z "$line" ]; then verdict="not found"
  elif ! dotnet build -c Release "tests/$project" >"$copy/build.log" 2>&1; then verdict="does not compile"
  elif ! timeout 600 dotnet test -c Release --no-build --project "tests/$project" --filter-class "*.$class" >"$copy/test.log" 2>&1 && grep -qE '^ +failed: [1-9]' "$copy/test.log"; then verdict="red"
  else verdict="green"
  fi
  [ "$verdict" = red ] || green=$((green + 1))
  printf '%-16s %s:%s  %s: %s\n' "$verdict" "$file" "$line" "$class" "$lost"
  cp "$copy/original" "$file"
done <"$root/tests/protections/protections.tsv"
[ "$green" -eq 0 ] || { echo "$green protections were not missed by their test"; exit 1; }
