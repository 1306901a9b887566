#!/bin/bash
# Starts Redis. Keeps the contract of the official image; see docs/images.md.
set -euo pipefail

if [[ "${1:-}" == -* || "${1:-}" == *.conf ]]; then
    set -- redis-server "$@"
fi
if [[ "${1:-}" == redis-server && "$(id -u)" == 0 ]]; then
    find . \! -user redis -exec chown redis '{}' +
    exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi
# What Redis writes is readable by itself alone, unless somebody asked for another mask.
[[ "$(umask)" != 0022 ]] || umask 0077
# Protected mode would refuse everybody but the container itself; who may connect is the network's
# matter. Off is only the default: a configuration file or an argument that names it decides.
if [[ "${1:-}" == redis-server && "$*" != *protected-mode* ]]; then
    if [[ ! -f "${2:-}" ]]; then
        set -- redis-server --protected-mode no "${@:2}"
    elif ! grep -qsi '^[[:space:]]*protected-mode' "$2"; then
        set -- redis-server "$2" --protected-mode no "${@:3}"
    fi
fi
exec "$@"
