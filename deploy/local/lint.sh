#!/bin/sh
# Every static check, all of them even when one fails. `make lint` runs this beside the services,
# because mypy's Django plugin and makemigrations load the settings.
set -u
failed=""

check() {
    name=$1
    shift
    "$@" || failed="$failed $name"
}

check ruff ruff check .
check format ruff format --check .
check mypy mypy
check imports lint-imports
check templates djlint --quiet --lint templates
check migrations python manage.py makemigrations --check --dry-run

if [ -n "$failed" ]; then
    echo "lint: failed:$failed" >&2
    exit 1
fi
echo "lint: everything passed"
