# Says how far a database's journal goes, and gives the files that are there as a tar.
# $1 where they lie, $2 and $3 how to ask the database, $4 which generation it has to be of, $5 which
# transactions there were the last time, then the names of files to remove, up to --.
#
# Answers with one line (the database's clock, its transactions, the last piece, whether all up to
# that one are there, how many more there are than are given), then the names, an empty line, a tar.
# A piece is ended only where something was committed since the last time: an idle database makes
# none. The clock is read before the transactions are: what comes in between is in a later piece.
set -eu
export LC_ALL=C
place=$1 user=$2 database=$3 generation=$4 known=$5
shift 5
said=$(psql -AtXq -v ON_ERROR_STOP=1 -v generation="$generation" -v known="$known" \
    -U "$user" -d "$database" <<'SQL'
SELECT extract(epoch FROM clock_timestamp()) AS at,
    current_setting('data_directory') AS data,
    coalesce(current_setting('berth.generation', true), '') = :'generation'
        AND NOT pg_is_in_recovery() AS ours \gset
\if :ours
SELECT pg_current_snapshot()::text AS seen \gset
SELECT CASE WHEN :'seen' = :'known' THEN '-' ELSE pg_walfile_name(pg_switch_wal()) END AS last \gset
\echo :at :seen :last
\echo :data
\endif
SQL
)
if [ -z "$said" ]; then
    printf 'berth-journal not-ours\n\n'
    exit
fi
while [ "$1" != -- ]; do
    rm -f "$place/$1.gz"
    shift
done
first=$(printf '%s\n' "$said" | head -n 1)
data=$(printf '%s\n' "$said" | tail -n 1)
last=${first##* }
[ "$last" != - ] || last='~' # after everything

# PostgreSQL hands its pieces over one after the other, and marks those that wait for it.
waits() {
    ls "$data/pg_wal/archive_status" | awk -v last="$last" '
        length($0) == 30 && /\.ready$/ && substr($0, 1, 24) <= last { found = 1 }
        END { exit !found }'
}
whole=yes tries=0
while waits; do
    tries=$((tries + 1))
    [ "$tries" -le 100 ] || { whole=no && break; }
    sleep 0.1
done

all=$(ls "$place" 2>/dev/null | sed -n 's/\.gz$//p')
names=$(printf '%s\n' "$all" | head -n 64)
left=$(($(printf '%s\n' "$all" | wc -l) - $(printf '%s\n' "$names" | wc -l)))
printf 'berth-journal %s %s %s\n' "$first" "$whole" "$left"
[ -z "$names" ] || printf '%s\n' "$names"
printf '\n'
[ -z "$names" ] || printf '%s.gz\n' $names | tar -C "$place" -cf - -T -
