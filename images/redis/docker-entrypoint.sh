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
if [[ "${1:-}" == redis-server && "$*" != *protected-mode* ]]; then
    # Protected mode refuses everybody but the container itself; who may connect is the network's
    # matter. It goes before the other arguments, so that a configuration file overrules it.
    has_file=no
    [[ "${2:-}" == *.conf || ( -n "${2:-}" && "${2:-}" != -* ) ]] && has_file=yes
    if [[ "$has_file" == yes ]]; then
        file=$2
        set -- redis-server "$file" --protected-mode no "${@:3}"
        ! grep -qsi '^[[:space:]]*protected-mode' "$file" || set -- redis-server "$file" "${@:5}"
    else
        set -- redis-server --protected-mode no "${@:2}"
    fi
fi
exec "$@"
