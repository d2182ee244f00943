"""The licences of the packages that are linked into cke, with their texts: licences.py TARGET > THIRD-PARTY

A text that several packages have stands there once.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

PROGRAM = "cke-cli"
# Licences that ask for their text beside the program, apart from the packages of cargo.
TOOLCHAIN = "Rust's standard library (MIT OR Apache-2.0, https://www.rust-lang.org) and musl (MIT, https://musl.libc.org)"
FILE_NAMES = re.compile(r"(?i)^(licen[cs]e|copying|notice|unlicense|copyright)([-._].*)?$")


def metadata(target):
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def linked(graph):
    """The packages from elsewhere that the program is linked with: not what only builds, tests and procedural macros need."""
    nodes = {node["id"]: node for node in graph["resolve"]["nodes"]}
    packages = {package["id"]: package for package in graph["packages"]}

    def is_macro(id):
        return any("proc-macro" in target["kind"] for target in packages[id]["targets"])

    found, pending = set(), [id for id, package in packages.items() if package["name"] == PROGRAM]
    while pending:
        package = pending.pop()
        if package not in found and not is_macro(package):
            found.add(package)
            deps = nodes[package]["deps"]
            pending += [dep["pkg"] for dep in deps if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    others = [packages[id] for id in found if packages[id]["source"]]
    return sorted(others, key=lambda package: (package["name"], package["version"]))


def texts(package):
    directory = Path(package["manifest_path"]).parent
    for file in sorted(directory.iterdir()):
        if file.is_file() and FILE_NAMES.match(file.name):
            yield file.read_text(encoding="utf-8", errors="replace").strip()


def main():
    (target,) = sys.argv[1:]
    packages = linked(metadata(target))
    owners, without_text = {}, []
    print(f"The program is linked with {TOOLCHAIN}, and with these packages:\n")
    for package in packages:
        name = f"{package['name']} {package['version']}"
        print(f"{name}: {package['license'] or 'see below'}, {package['repository'] or 'https://crates.io'}")
        found = list(texts(package))
        for text in found:
            owners.setdefault(text, []).append(name)
        if not found:
            without_text.append(name)
    if without_text:
        print(f"\nWithout a text of their own, under the terms of the licences named above: {', '.join(without_text)}")
    for text, names in owners.items():
        print(f"\n{'=' * 80}\n{', '.join(names)}\n{'=' * 80}\n\n{text}")


if __name__ == "__main__":
    main()
