"""Checks the manifests of the crates that are published, as far as `cargo publish --dry-run` does not: what crates.io demands, and what a
release of this project needs. With --published the address of the repository must be there too.

Usage: python3 tools/release/manifests.py [--published]
"""

import json
import re
import subprocess
import sys

KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,19}")
ADDRESS = re.compile(r"https://[^/\s]+/\S+")


def faults(package, is_published):
    """What is wrong with a manifest, in words."""
    for key in ("description", "license", "readme", "keywords", "categories"):
        if not package[key]:
            yield f"wanted a {key}, found none"
    for key in ("keywords", "categories"):
        if len(package[key]) > 5:
            yield f"wanted at most 5 {key}, found {len(package[key])}"
    for keyword in package["keywords"]:
        if not KEYWORD.fullmatch(keyword):
            yield f"wanted a keyword of at most 20 letters, digits, -, _ and +, found `{keyword}`"
    if "rs" not in (package["metadata"] or {}).get("docs", {}):
        yield "wanted settings of docs.rs, found none"
    address = package["repository"]
    if (is_published or address is not None) and not ADDRESS.fullmatch(address or ""):
        found = f"`{address}`" if address else "none"
        yield f"wanted the address of the repository, found {found}: bash tools/release/repository.sh ADDRESS sets it"
    for dependency in package["dependencies"]:
        # Those of tests have no version, and are left out of the package.
        is_of_tests = dependency["kind"] == "dev" and dependency["req"] == "*"
        if "path" in dependency and not is_of_tests and dependency["req"] != f"^{package['version']}":
            yield f"wanted {dependency['name']} in version {package['version']}, found {dependency['req']}"


def main():
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
    packages = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)["packages"]
    is_published = "--published" in sys.argv[1:]
    found = [
        f"{package['name']}: {fault}"
        for package in packages
        if package["publish"] != []
        for fault in faults(package, is_published)
    ]
    for fault in found:
        print(f"error: {fault}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
