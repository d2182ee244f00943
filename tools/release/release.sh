#!/usr/bin/env bash
# Prepares a release: checks that the tree is what it says, runs CI (which also compares the interfaces with those of the last release), builds
# every crate from its package, builds the programs, and writes their sums to target/release-VERSION/SHA256SUMS. Publishes nothing; the last
# lines say how. tools/dist/build.sh and .ci/run say what it needs. Usage: bash tools/release/release.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/../.."

version=${1:?wanted a version, such as 0.1.0}
out=target/release-$version
die() { echo "error: $1" >&2; exit 1; }
in_workspace() { sed -n "s/^$1 = \"\(.*\)\"$/\1/p" Cargo.toml | head -n 1; }

[ -z "$(git status --porcelain)" ] || die "wanted a clean tree, found changes: commit them first"
[ "$(in_workspace version)" = "$version" ] || die "wanted version $version in Cargo.toml, found $(in_workspace version)"
python3 tools/release/manifests.py --published
grep -qE "^## $version — [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md ||
  die "wanted a line '## $version — YYYY-MM-DD' in CHANGELOG.md, found none"
! git rev-parse --quiet --verify "refs/tags/v$version" > /dev/null || die "the tag v$version exists already"

bash .ci/run
bash tools/release/packages.sh --verify

rm -rf "$out" && mkdir -p "$out"
cp target/package/*.crate "$out"
git archive --format tar.gz --prefix "c-kernel-engine-$version/" -o "$out/c-kernel-engine-$version.tar.gz" HEAD
bash tools/dist/build.sh
cp target/dist/cke-"$version"-*.tar.gz "$out"
(cd "$out" && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum > SHA256SUMS)
(cd "$out" && sha256sum --check --quiet SHA256SUMS)

cat << END
$out is ready. What is left:
  git tag -s v$version -m "C-Kernel-Engine $version" && git push origin v$version
  cargo publish --workspace --locked
  upload the files of $out to the release
END
