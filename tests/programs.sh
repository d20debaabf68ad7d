#!/bin/sh
# Programs that tests run: Chromium for those in a browser, nginx before the dashboard in those of the
# sub-path, a PostgreSQL server. Install with apt what is missing where that is allowed, else say what is
# needed.
set -eu
missing=""
browser=""
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then browser="$name"; fi
done
if [ -z "$browser" ]; then missing="chromium"; fi
if ! PATH="$PATH:/usr/sbin" command -v nginx >/dev/null 2>&1; then missing="$missing nginx-light"; fi
postgresql=""
for name in $(command -v initdb || true) /usr/lib/postgresql/*/bin/initdb; do
    if [ -x "$name" ]; then postgresql="$name"; fi
done
if [ -z "$postgresql" ]; then missing="$missing postgresql"; fi
missing="${missing# }"
if [ -z "$missing" ]; then exit 0; fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests need $missing: install with your system's package manager." >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    root=""
elif sudo -n true 2>/dev/null; then
    root="sudo -n"
else
    echo "The tests need $missing: run \`sudo apt-get install $missing\`, then again." >&2
    exit 1
fi
echo "Installing $missing with apt-get for the tests" >&2
# shellcheck disable=SC2086  # one word a package
if ! $root apt-get -qq update || ! $root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
    $missing >/dev/null
then
    echo "apt-get could not install $missing: install it yourself, then again." >&2
    exit 1
fi
