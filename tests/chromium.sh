#!/bin/sh
# The browser tests drive Chromium. Install it with apt where that is allowed, else say what is needed.
set -eu
for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if ! command -v apt-get >/dev/null 2>&1; then
    echo "The browser tests need Chromium: install it with your system's package manager." >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    root=""
elif sudo -n true 2>/dev/null; then
    root="sudo -n"
else
    echo "The browser tests need Chromium: run \`sudo apt-get install chromium\`, then again." >&2
    exit 1
fi
echo "Installing Chromium with apt-get for the browser tests" >&2
if ! $root apt-get -qq update || ! $root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y chromium >/dev/null
then
    echo "apt-get could not install Chromium: install it, or Google Chrome, yourself, then again." >&2
    exit 1
fi
