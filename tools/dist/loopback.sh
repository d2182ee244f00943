#!/usr/bin/env bash
# Deploys an archive of tools/dist/build.sh to this machine by a real ssh: bash tools/dist/loopback.sh CKE ARCHIVE x86_64|aarch64
#
# CKE is a cke that runs here. An sshd of its own listens on the loopback, with keys made for it. For another architecture it runs commands so
# that `uname` names that one and cke starts in an emulator. Skipped, saying so, if there is no sshd.
set -euo pipefail
cke=$(realpath "$1") archive=$(realpath "$2") architecture=$3

fail() { echo "dist: loopback $architecture: $*" >&2; exit 1; }
skip() { echo "skipped: dist $architecture: deploying to the loopback: $*"; exit 0; }

sshd=$(PATH=$PATH:/usr/sbin:/sbin command -v sshd) || skip "no sshd here (Debian: openssh-server)"
for tool in ssh ssh-keygen; do command -v "$tool" > /dev/null || skip "no $tool here"; done

work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2> /dev/null || true
    rm -rf "$work"
}
trap finish EXIT

mkdir "$work"/{board,stubs}
ssh-keygen -q -t ed25519 -N '' -f "$work/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/user"
cp "$work/user.pub" "$work/authorized"

emulator=
if [ "$architecture" != "$(uname -m)" ]; then
    emulator=$(command -v "qemu-$architecture-static") || skip "no qemu-$architecture-static here"
    printf '#!/bin/sh\n[ "$1" = -m ] && echo %s || exec /bin/uname "$@"\n' "$architecture" > "$work/stubs/uname"
    chmod +x "$work/stubs/uname"
fi
# What every command goes through: the board's directory, its uname, its way to start a program.
cat > "$work/shell" <<EOF
#!/bin/sh
cd '$work/board' || exit 1
PATH='$work/stubs':\$PATH
export PATH
exec sh -c "\$(printf '%s' "\$SSH_ORIGINAL_COMMAND" | sed 's|\./cke |$emulator ./cke |')"
EOF
chmod +x "$work/shell"

port=$((20000 + RANDOM % 20000))
cat > "$work/config" <<EOF
Port $port
ListenAddress 127.0.0.1
HostKey $work/host
AuthorizedKeysFile $work/authorized
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
ForceCommand $work/shell
EOF
# As root sshd wants this directory, which its service makes otherwise.
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
"$sshd" -t -f "$work/config" || skip "sshd does not take its settings"
"$sshd" -D -e -f "$work/config" 2> "$work/log" &
server=$!

deploy() {
    local options=() option
    for option in Port=$port IdentityFile="$work/user" IdentitiesOnly=yes UserKnownHostsFile="$work/known" \
        StrictHostKeyChecking=accept-new BatchMode=yes; do
        options+=(--ssh-option "$option")
    done
    "$cke" deploy "$(id -un)@127.0.0.1" "${options[@]}" "$@"
}

for _ in $(seq 50); do
    (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break
    sleep 0.1
done
report=$(deploy --archive "$archive" --json --quiet) || { cat "$work/log" >&2; fail "cke deploy failed"; }
[ "$(grep -o '"finish":"length"' <<< "$report" | wc -l)" = 1 ] || fail "wanted eight tokens, found $report"
grep -q "\"machine\":\"$architecture\"" <<< "$report" || fail "wanted a machine of $architecture, found $report"
[ -x "$work/board/cke/cke" ] || fail "wanted cke/cke on the board, found none"
echo "passed: dist $architecture: cke deploy to the loopback, ${emulator:+in emulation, }by $("$sshd" -V 2>&1 | head -n 1)"

status=0
message=$(deploy --archive "$archive" --ssh-option "ProxyCommand=false" 2>&1) || status=$?
[ "$status" = 1 ] && grep -q 'ssh cannot connect' <<< "$message" || fail "wanted a refusal without a connection, found $status: $message"
