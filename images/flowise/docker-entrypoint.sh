#!/bin/sh
# Runs `flowise start`, or what the arguments say, as in `flowise worker`; `start` and `worker`
# may be given alone.
set -eu
case "${1:-start}" in
    start | worker) exec flowise "${@:-start}" ;;
    *) exec "$@" ;;
esac
