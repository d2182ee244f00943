# Sourced by the scripts that make tables of the book, from the root of the repository.

target=${CARGO_TARGET_DIR:-target}
cke=$target/release/cke
tables=docs/src/tables
machine=$(PYTHONPATH=tools/peers PYTHONDONTWRITEBYTECODE=1 python3 -c 'import conditions, report; print(conditions.processor(report.machine()))')

# table NAME SHOWN COMMAND...: the output of the command under a line that names it, as SHOWN, the machine and the day.
table() {
  local name=$1 shown=$2
  shift 2
  { printf '`%s`, %s, %s\n\n' "$shown" "$machine" "$(date -u +%F)" && "$@"; } > "$tables/$name.md.new"
  mv "$tables/$name.md.new" "$tables/$name.md"
  echo "$tables/$name.md"
}
