#!/bin/bash
# Starts PostgreSQL, after making the database cluster where the data directory is still empty.
# Keeps the contract of the official image; see docs/images.md.
set -euo pipefail

die() {
    echo "postgres image: $1" >&2
    exit 1
}

# from_file NAME: NAME may be given as the file NAME_FILE instead, but not both ways.
from_file() {
    local name=$1 file_name=$1_FILE
    if [[ -n "${!file_name:-}" ]]; then
        [[ -z "${!name:-}" ]] || die "$name and $file_name are both set; set one of them."
        [[ -r "${!file_name}" ]] || die "$file_name names ${!file_name}, which can't be read."
        export "$name=$(<"${!file_name}")"
    fi
    unset "$file_name"
}

only_asks_for_help() {
    local argument
    for argument in "$@"; do
        case $argument in
            -\? | --help | -V | --version | --describe-config) return 0 ;;
        esac
    done
    return 1
}

become_postgres() {
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA"
    mkdir -p /var/run/postgresql
    # Only what has another owner: a large cluster's files need not be touched at each start.
    find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
}

create_cluster() {
    local method=${POSTGRES_HOST_AUTH_METHOD:-} options=()
    if [[ -z "${POSTGRES_PASSWORD:-}" && "$method" != trust ]]; then
        die "the superuser needs a password: set POSTGRES_PASSWORD_FILE or POSTGRES_PASSWORD."
    fi
    read -r -a options <<<"${POSTGRES_INITDB_ARGS:-}"
    [[ -z "${POSTGRES_INITDB_WALDIR:-}" ]] || options+=(--waldir "$POSTGRES_INITDB_WALDIR")
    # An empty password file is an error to initdb, so there is none where there is no password.
    if [[ -n "${POSTGRES_PASSWORD:-}" ]]; then
        initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
            "${options[@]}"
    else
        initdb --username="$POSTGRES_USER" "${options[@]}"
    fi
    printf '\nhost all all all %s\n' "${method:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

# sql [ARGUMENT...]: runs SQL from standard input or arguments as the superuser.
sql() {
    psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" \
        --dbname "${database:-$POSTGRES_DB}" "$@"
}

run_init_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        [[ -e "$file" ]] || continue
        echo "postgres image: running $file"
        case $file in
            # A script that isn't executable is read in, and may so set variables for the next.
            *.sh) if [[ -x "$file" ]]; then "$file"; else . "$file"; fi ;;
            *.sql) sql -f "$file" ;;
            *.sql.gz) gunzip -c "$file" | sql ;;
            *.sql.xz) xzcat "$file" | sql ;;
            *) echo "postgres image: ignoring $file" ;;
        esac
    done
}

# The server that runs the first statements listens on its socket alone: to a client that waits
# for a port, the database isn't there before it is complete.
set_up_databases() {
    local database
    PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -w -t 120 -o "-c listen_addresses='' $*" start
    if [[ "$POSTGRES_DB" != postgres ]]; then
        database=postgres sql -v name="$POSTGRES_DB" <<<'CREATE DATABASE :"name";'
    fi
    run_init_files
    PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -m fast -w stop
}

[[ "${1:-}" != -* ]] || set -- postgres "$@"
if [[ "${1:-}" != postgres ]] || only_asks_for_help "$@"; then
    exec "$@"
fi
if [[ "$(id -u)" == 0 ]]; then
    become_postgres "$@"
fi
if [[ ! -s "$PGDATA/PG_VERSION" ]]; then
    from_file POSTGRES_PASSWORD
    from_file POSTGRES_USER
    from_file POSTGRES_DB
    from_file POSTGRES_INITDB_ARGS
    export POSTGRES_USER=${POSTGRES_USER:-postgres}
    export POSTGRES_DB=${POSTGRES_DB:-$POSTGRES_USER}
    mkdir -p "$PGDATA"
    chmod 0700 "$PGDATA" || true # a directory that already is right may belong to someone else
    create_cluster
    export PGPASSWORD=${PGPASSWORD:-${POSTGRES_PASSWORD:-}}
    set_up_databases "${@:2}"
    unset PGPASSWORD POSTGRES_PASSWORD
    echo "postgres image: the database is ready for its first start"
fi
exec "$@"
