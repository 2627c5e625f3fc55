#!/usr/bin/env bash
# Makes sure that the Debian packages are there which the tests need: real brokers and clients as peers,
# a browser, and clang with its sanitizers. Installs what is missing where it may, and says what to do where
# it may not.
set -euo pipefail

packages=(mosquitto mosquitto-clients nats-server nginx-light haproxy caddy python3-paho-mqtt chromium libnss3-tools curl iproute2 libssl-dev openssl clang clang-format clang-tidy libclang-rt-14-dev)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed* ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

install=(apt-get install --yes --no-install-recommends "${missing[@]}")

give_up() {
  echo "The tests need these Debian packages, and $1: ${missing[*]}" >&2
  echo "Install them with: sudo ${install[*]}" >&2
  exit 1
}

command -v apt-get >/dev/null || give_up 'there is no apt-get here'
((EUID == 0)) || give_up 'only root may install them'

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
made_policy=
clean_up() {
  rm -f "$log"
  [[ -z $made_policy ]] || rm -f "$policy"
}
trap clean_up EXIT

# Installing mosquitto must not start one on the port that the tests want.
if [[ ! -e $policy ]]; then
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

echo "Installing Debian packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
options=(-qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
if ! { apt-get "${options[@]}" update && "${install[@]}" "${options[@]}"; } </dev/null >"$log" 2>&1; then
  cat "$log" >&2
  give_up 'apt-get failed as shown above'
fi
