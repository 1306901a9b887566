#!/bin/sh
# Brings the app of this archive up, with its data, by Docker and Docker Compose alone. It changes
# nothing that is there already. README.md says more.
set -eu
cd "$(dirname "$0")"

say() { printf '%s\n' "$*"; }

fail() {
    printf 'restore.sh: %s\n' "$*" >&2
    exit 1
}

# ours KIND...: the ids of this project's objects.
ours() { docker "$@" --quiet --filter "label=com.docker.compose.project=$project"; }

container() { ours ps --all --filter "label=com.docker.compose.service=$1"; }

volume() { ours volume ls --filter "label=com.docker.compose.volume=$1"; }

# $program is two words or one.
# shellcheck disable=SC2086
compose() { $program --project-name "$project" --file compose.yaml "$@"; }

# in_volume VOLUME COMMAND: runs it as root, with the volume at /volume and our input.
in_volume() {
    docker run --rm --interactive --network none --user 0:0 --entrypoint sh \
        --volume "$(volume "$1"):/volume" "$tools" -c "$2"
}

# fill_volume VOLUME
fill_volume() {
    say "Filling the volume $1 ..."
    in_volume "$1" '
        set -e
        find /volume -mindepth 1 -delete
        tar -x -p -f - --numeric-owner -C /volume
    ' <"volumes/$1.tar"
}

# fill_redis SERVICE VOLUME. Redis 7 with "appendonly yes" reads what the manifest names, and
# without it dump.rdb; both are the same file.
fill_redis() {
    say "Placing the keys of $1 ..."
    in_volume "$2" '
        set -e
        find /volume -mindepth 1 -delete
        cat >/volume/dump.rdb
        mkdir /volume/appendonlydir
        cd /volume/appendonlydir
        ln ../dump.rdb appendonly.aof.1.base.rdb
        echo "file appendonly.aof.1.base.rdb seq 1 type b" >appendonly.aof.manifest
        chown -R "$(stat -c %u:%g /volume)" /volume
    ' <"redis/$1.rdb"
}

# start_database SERVICE USER DATABASE. Over TCP: while a new one is set up, it listens on its
# socket alone.
start_database() {
    say "Starting the database of $1 ..."
    compose up --detach --no-deps "$1"
    tries=0
    until docker exec "$(container "$1")" \
        pg_isready --quiet --host 127.0.0.1 --username "$2" --dbname "$3" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 150 ] || fail "$1 does not answer; “$program logs $1” may say why."
        sleep 2
    done
}

# create_database SERVICE USER DATABASE
create_database() { docker exec "$(container "$1")" createdb --username "$2" "$3"; }

# load_database SERVICE USER DATABASE
load_database() {
    say "Loading the database $3 ..."
    docker exec --interactive "$(container "$1")" pg_restore --username "$2" --dbname "$3" \
        --exit-on-error --single-transaction --no-owner <"postgres/$1/$3.dump"
}

# set_password SERVICE USER DATABASE: to the one in secrets/, which the app has too.
# shellcheck disable=SC2016
set_password() {
    printf '%s\n' '\set password `cat "$POSTGRES_PASSWORD_FILE"`' \
        "ALTER ROLE \"$2\" PASSWORD :'password';" |
        docker exec --interactive "$(container "$1")" \
            psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$2" --dbname "$3"
}

# start_everything SERVICE: returns once that one is healthy.
start_everything() {
    say "Starting everything ..."
    compose up --detach
    form='{{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}'
    tries=0
    until [ "$(docker inspect --format "$form" "$(container "$1")")" = healthy ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "$1 does not get well; “$program logs” may say why."
        sleep 2
    done
}

check_sums() {
    say "Checking the files ..."
    # You may change these three.
    grep -v -E '  (README\.md|compose\.yaml|\.env)$' SHA256SUMS | if command -v sha256sum >/dev/null; then
        sha256sum -c -
    else
        shasum -a 256 -c -
    fi || fail "The archive is damaged: take no data from it, and download it again."
}

project=${COMPOSE_PROJECT_NAME:-$(sed -n 's/^COMPOSE_PROJECT_NAME=//p' .env)}
if docker compose version >/dev/null 2>&1; then
    program="docker compose"
elif command -v docker-compose >/dev/null; then
    program=docker-compose
else
    fail "Docker Compose is missing."
fi
[ -z "$(ours volume ls)" ] || fail "There are volumes of a project “$project” already.\
 Set another COMPOSE_PROJECT_NAME in .env, or remove them: $program down --volumes"
check_sums

# Containers read the secrets as users of their own; the directory keeps others out.
chmod 700 .
if [ -d secrets ]; then
    chmod 700 secrets
    chmod 444 secrets/*
fi
trap '[ $? = 0 ] || say "It did not come up. To begin again: $program down --volumes" >&2' EXIT
say "Making containers and volumes ..."
compose up --no-start
#STEPS#
say "It is up: $(sed -n 's/^APP_URL=//p' .env)"
